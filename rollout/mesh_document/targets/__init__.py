"""What runs: Istio's objects, the Gateway API's, or an Envoy on this machine, and the plans."""
