"""What commands print: pages, tables and sentences; no command and no option here."""
