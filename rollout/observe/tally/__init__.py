"""Looks are counted where they are read: bounded sums for the journal, cursors in the process."""
