"""What exporters counted: cursors over raw samples, buckets, pods; no test and no rate here."""
