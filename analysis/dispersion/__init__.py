"""How pods differ by themselves, estimated from their past; no comparison of two versions here."""
