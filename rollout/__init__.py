"""Surefoot: a progressive-delivery controller whose error rates are declared and kept.

The pipeline is a room for each word: plan, observe, decide, journal, route. `tick` runs it for the
whole fleet through the `ports`, `schedule` sets the pace, `wire` plugs the doors in. Around it:
`kube` and `operate` (plans as resources), `simulate`, `rehearse`, `calibrate` and `review` (the
same tick and facts, elsewhere), `doctor`, `metrics`, `demo`, `cli`.
"""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

__version__ = "0.1.0"

_OF_ANALYSTS = {
    "read": "rollout.experiment.read",
    "from_frame": "rollout.experiment.past",
    "from_prometheus": "rollout.experiment.past",
}


def __getattr__(name: str) -> Any:
    """Load what analysts use at its first use: a command starts without it."""
    if name not in _OF_ANALYSTS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    _check_not_hidden()
    return getattr(import_module(_OF_ANALYSTS[name]), name)


def _check_not_hidden() -> None:
    """Raise ImportError where a folder beside the notebook hides our package of statistics."""
    ours, own = Path(__file__).parents[1] / "analysis", find_spec("analysis")
    if own is None or own.origin is None or Path(own.origin).parent != ours:
        where = own.origin if own and own.origin else "a folder analysis/"
        raise ImportError(
            f"{where} hides Surefoot's package of the same name: rename it, or work elsewhere"
        )
