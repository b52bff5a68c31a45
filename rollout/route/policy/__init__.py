"""A plan's policy: fields that we own beside the weights, in force before the first traffic."""
