"""A local Envoy: weights and traffic in its watched files, receipts from its admin port."""
