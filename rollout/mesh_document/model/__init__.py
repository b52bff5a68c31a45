"""The document as pydantic models: services, policies of traffic, and security."""
