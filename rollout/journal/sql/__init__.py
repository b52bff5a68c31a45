"""The journal in SQLite or PostgreSQL: tables, transactions, the lock of one decider."""
