"""Weights moved on a local Envoy, and the wait until it shows them."""

from __future__ import annotations

import time

from rollout.route.envoy.proxy import EnvoyRouter

ROUTER = EnvoyRouter()


def move(plan, split, mark):
    ROUTER.write(plan, split, mark)
    wait(lambda: ROUTER.read(plan, split.total).write_id == mark, f"receipt of {mark}")


def wait(condition, what):
    until = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < until, f"no {what} after 60 s"
        time.sleep(0.005)
