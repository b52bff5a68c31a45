"""What commands print: pages, tables and sentences. Commands and options are elsewhere."""
