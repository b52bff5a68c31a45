"""Draws faults by share: requests that fail, are slow, or get a truncated summary; seeded."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np

from rollout.demo.services.corpus import notes
from rollout.demo.services.scoring import score
from rollout.demo.services.versions import Summarizer, truncated
from rollout.errors import SurefootError

SIGMA = 0.4  # of the log of the model's delay


@dataclass(frozen=True)
class Faults:
    """Shares of requests, drawn independently; `delay` is the median delay in seconds."""

    errors: float = 0.005
    tail_share: float = 0.0
    tail_factor: float = 3.0
    truncated: float = 0.0
    delay: float = 0.05


@dataclass(frozen=True)
class Fate:
    """What happens to one request; `delay` in seconds."""

    failed: bool
    truncated: bool
    delay: float


def fates(faults: Faults, seed: int | Sequence[int]) -> Iterator[Fate]:
    """Yield fates without end, one per request; the same seed gives the same fates."""
    random = np.random.default_rng(seed)
    while True:
        failed, slow, short = random.random(3)
        delay = faults.delay * math.exp(SIGMA * random.standard_normal())
        yield Fate(
            failed=failed < faults.errors,
            truncated=short < faults.truncated,
            delay=delay * (faults.tail_factor if slow < faults.tail_share else 1.0),
        )


def share_for_drop(drop: float, summarize: Summarizer) -> float:
    """Return the share of truncated summaries that lowers the corpus' mean score by `drop`.

    Raises SurefootError if truncating every summary would not lower it as much.
    """
    if drop == 0:
        return 0.0
    loss = fmean(score(n, summarize(n)) - score(n, truncated(n)) for n in notes().values())
    if drop > loss:
        raise SurefootError(f"a score drop of {drop:g} is more than truncation costs ({loss:.3f})")
    return drop / loss
