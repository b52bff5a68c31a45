"""Seeded simulation: the production tick in a world that breaks, and the promises checked in it.

How it works: a story is a setting, a seed and some events at their times. `play` builds the world
of that setting, runs the production controllers in it, lets the events happen, and asks every
invariant after each step. The world is what is true: requests really served, weights really in
force. So a controller is never believed on its own word. `shrink` finds the shortest story that
still breaks a promise, and `campaign` plays many.
"""
