"""Commands that keep a controller running: run, operate, demo."""
