"""Surefoot: a progressive-delivery controller whose error rates are declared and kept.

The pipeline is a room for each word: plan, observe, decide, journal, route. `tick` runs it for the
whole fleet through the `ports`, `schedule` sets the pace, `wire` plugs the doors in. Around it:
`kube` and `operate` (plans as resources), `simulate`, `rehearse`, `calibrate` and `review` (the
same tick and facts, elsewhere), `doctor`, `metrics`, `demo`, `cli`.
"""

__version__ = "0.1.0"
