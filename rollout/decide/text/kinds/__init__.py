"""Texts about kinds of metrics that are measured in words of their own."""
