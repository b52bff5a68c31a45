"""The tables of an experiment: a function for each, from a recorded rollout to rows.

Shares are from 0 to 1, times are seconds since the start of the rollout or UTC times, evidence is
in powers of ten. None is unknown.
"""
