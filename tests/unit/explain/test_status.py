"""What `status` and `watch` say now, where the record has said it once."""

from __future__ import annotations

from rollout.explain.status import report
from tests.support.worlds import GOOD, Lab, plan


def blind_for(seconds: float, **spec):
    """Nothing is counted for so long; the hold was recorded when it began."""
    lab = Lab(GOOD, plan=plan(**spec))
    lab.run_until(lambda state: state.wanted.canary == 25 and state.steady_at is not None)
    lab.world.dark = True
    lab.run(6)
    assert lab.decisions[-1].reasons[0].startswith("blind:")
    return report(lab.plan.id, lab.state, lab.clock.now() + seconds)


def test_the_time_of_blindness_grows():
    texts = {blind_for(seconds).said.partition(":")[2] for seconds in (0, 5, 12)}
    assert len(texts) == 3


def test_next_says_when_the_plan_acts_on_blindness():
    early, late = blind_for(0).next, blind_for(10).next
    assert "or roll back in" in early
    assert early != late
    assert "or pause in 2" in blind_for(0, whenBlind={"hold": "30s", "then": "pause"}).next
