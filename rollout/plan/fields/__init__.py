"""The kinds of values in a plan: units, names, templates and codes of mistakes.

The fields themselves are in `rollout.plan.model`.
"""
