"""Signed checkpoints of a journal: its size and the root of a tree over its entries.

A hash chain shows every change inside it, but neither that its newest entries were cut off nor that
all of it was written anew. A checkpoint that is kept elsewhere shows both. Formats are those of
C2SP (tlog-checkpoint, signed-note), so that verifiers of others read them. No journal is read or
written here.
"""
