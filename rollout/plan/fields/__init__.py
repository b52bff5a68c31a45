"""Kinds of values in a plan: units, names, templates, codes of mistakes; no field of a plan."""
