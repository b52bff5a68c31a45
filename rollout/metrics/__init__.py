"""The controller's own metrics and health probes.

`names` lists every metric, `families` computes samples from states, `meter` counts entries and
ticks, `page` renders many series fast, `door` serves them over HTTP.
"""
