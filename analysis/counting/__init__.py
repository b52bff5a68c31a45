"""What exporters counted: per series, per pod, per bucket."""
