"""Journals as each version of their schema wrote them, and the command that records one."""
