"""The controller's own metrics and health: counted beside the ticks, served to Prometheus."""
