"""The journal in SQLite or PostgreSQL: tables, transactions, and the deciding controller's lock."""
