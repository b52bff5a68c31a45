"""Checks of everything that a rollout needs, made before it starts.

Each check returns a `Finding` with a level, a message and a fix. The checks read only: they write
no journal, move no weight and create no object. `examine` runs all of them in order.
"""
