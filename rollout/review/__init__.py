"""Replay of a journal for review: every look is judged and decided again.

`look` rebuilds one look, `history` one rollout, and `frames` turns histories into pandas frames
for the notebook. Nothing here writes a journal or draws a chart.
"""
