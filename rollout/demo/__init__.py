"""The demo: real services, a real mesh, real metrics on one machine."""
