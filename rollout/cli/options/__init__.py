"""Options that several commands share, and the parameter types that read their units."""
