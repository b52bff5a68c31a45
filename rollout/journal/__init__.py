"""The journal: facts sealed in a hash chain, written before anything acts on them.

Here: the chain, its stores (memory, JSON lines, SQLite and PostgreSQL under `sql`), the file lock
of the deciding controller, and reads that skip observations. Not here: what a fact means; that is
in `rollout.decide`.
"""
