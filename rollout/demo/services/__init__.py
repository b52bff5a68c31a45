"""What runs behind the demo's Envoy: summarizers, a judge, load, faults by share."""
