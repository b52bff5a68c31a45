"""Routing objects that a plan asks to be made."""
