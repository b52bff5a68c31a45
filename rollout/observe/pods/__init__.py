"""Finds the label that tells a version's pods apart, where the plan names none."""
