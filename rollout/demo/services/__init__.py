"""The processes behind the demo's Envoy: summarizers, judge and load, with faults by share."""
