"""How pods of one version differ, estimated from their past. No comparison of versions."""
