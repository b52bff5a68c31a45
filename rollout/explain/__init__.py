"""What a reader is told: a rollout's status, the journal's entries, one decision, as plain values.

Commands, the page and pipelines take their words and numbers from here, so they never disagree.
Nothing here prints, draws or serves.
"""
