"""A first plan for a running service, from the series that it has."""
