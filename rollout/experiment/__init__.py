"""Recorded rollouts for analysts: each is an `Experiment`, with tables and a chart for each.

`read` opens a journal. Tables are computed from the record by the controller's own code, so that
they show exactly the numbers that it acted on. Nothing here is imported before it is used.
"""
