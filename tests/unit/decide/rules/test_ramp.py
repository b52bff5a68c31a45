"""Where a retreat leads."""

import pytest

from rollout.decide.record.split import Split
from rollout.decide.rules.ramp import retreat_split
from tests.support.states import begun, delivering

STEPS = {"steps": ["5%", "25%", "50%"], "bake": "8s"}
BUDGET = {"harmBudget": 5, "min": "1%", "max": "50%", "bake": "8s"}
SWITCH = {"blueGreen": {"before": "2m"}, "bake": "8s"}


@pytest.mark.parametrize(
    ("ramp", "share", "to_nothing", "canary"),
    [
        (STEPS, 0.5, False, 0.05),
        (STEPS, 0.05, False, 0.0),
        (STEPS, 0.5, True, 0.0),
        (BUDGET, 0.5, False, 0.01),
        (SWITCH, 1.0, False, 0.0),
    ],
)
def test_a_retreat_leads_to_the_first_step_or_to_nothing(ramp, share, to_nothing, canary):
    state = begun(ramp=ramp)
    total = state.total
    wanted = Split(round(share * total), total)
    retreating = delivering(state, wanted=wanted)
    assert retreat_split(retreating, to_nothing=to_nothing) == Split(round(canary * total), total)
