"""The text of a plan without a mistake."""

GOOD = """\
apiVersion: surefoot.dev/v1alpha1
kind: RolloutPlan
metadata: {name: summarizer-v2}
spec:
  service: summarizer
  stable: {version: v1}
  canary: {version: v2}
  route:
    envoy: {file: routes.yaml, admin: "http://127.0.0.1:9901"}
  ramp:
    steps: [5%, 25%, 50%]
    bake: 2m
  guardrails:
    - {name: errors, template: envoy/errors, margin: {ratio: 1.25}}
    - {name: latency, template: envoy/latency, tolerance: 10%}
  interval: 30s
"""
