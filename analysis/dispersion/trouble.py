"""Troubles in stable's past: short times of many bad units, rare enough not to be the usual."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

_BLOCK, _AROUND = 48, 9  # looks in a block, blocks whose median is the usual level
_RAISED = 1.5  # times the usual bad units that a look in trouble has at least
_WINDOW, _MOST_CALM = 4, 1  # looks that are judged together; of them at most so many not raised
_BEYOND, _MARGIN = 4.0, 2.0  # standard deviations, and bad units, beyond which a window is hit
_USUAL = 0.15  # share of looks from which on trouble is the usual, and no trouble
_FEW = 5.0  # expected bad units of a window below which its spread is taken as Poisson
_NORMAL = 1.4826  # median absolute deviation to standard deviation of a normal


class Trouble(NamedTuple):
    """Which looks are in trouble, shape (looks,), and the longest trouble in looks, 0 if none."""

    looks: NDArray[np.bool_]
    longest: int


def find_trouble(exposures: Array, bad: Array) -> Trouble:
    """Find looks whose bad units exceed the usual for several looks; counts are (looks,).

    A window of four looks is hit if its bad units X exceed the usual M by 4 sqrt(D M) + 2, with D
    the windows' robust dispersion, and at most one of them is not `_RAISED` times the usual. In
    trouble are the raised looks of hit windows, and those between two of them. More than a share of
    `_USUAL` in trouble is the usual, and then none is.

    Derived here: M and D M are mean and variance of X in calm; the thresholds are of simulations
    (docs/decisions/0035).
    """
    usual = exposures * _find_usual_rate(exposures, bad)
    raised = (bad > _RAISED * usual) & (bad >= 1)
    total, expected = _slide(bad).sum(axis=-1), _slide(usual).sum(axis=-1)
    limit = expected + _BEYOND * np.sqrt(_measure_spread(total, expected) * expected) + _MARGIN
    is_up = _slide(raised)
    hit = (total > limit) & (is_up.sum(axis=-1) >= _WINDOW - _MOST_CALM)
    is_between = np.logical_or.accumulate(is_up, axis=-1) & np.flip(
        np.logical_or.accumulate(np.flip(is_up, axis=-1), axis=-1), axis=-1
    )
    looks = np.zeros(bad.size, dtype=bool)
    for offset in range(_WINDOW):
        looks[offset : offset + hit.size] |= hit & is_between[:, offset]
    if looks.mean() > _USUAL:
        looks[:] = False
    return Trouble(looks, _measure_longest_run(looks))


def unite(troubles: Sequence[Trouble]) -> Trouble:
    """Return the looks that are in any of these troubles, each of the same looks."""
    looks = np.logical_or.reduce([trouble.looks for trouble in troubles])
    return Trouble(looks, _measure_longest_run(looks))


def _find_usual_rate(exposures: Array, bad: Array) -> Array:
    """Return the running median of the blocks' bad shares at each look, mirrored at the ends."""
    looks, half = bad.size, _AROUND // 2
    blocks = looks // _BLOCK
    e, x = (
        v[looks - blocks * _BLOCK :].reshape(blocks, _BLOCK).sum(axis=1) for v in (exposures, bad)
    )
    rates = np.pad(x / np.maximum(e, 1.0), half, mode="reflect")
    median = np.median(np.lib.stride_tricks.sliding_window_view(rates, _AROUND), axis=-1)
    level = np.repeat(median, _BLOCK)
    return np.concatenate([np.full(looks - level.size, level[0]), level])


def _measure_spread(total: Array, expected: Array) -> float:
    """Return the robust variance ratio of disjoint windows to Poisson ones, at least 1."""
    if expected.mean() < _FEW:
        return 1.0
    z = ((total - expected) / np.sqrt(np.maximum(expected, 1e-9)))[::_WINDOW]
    deviation = _NORMAL * np.median(np.abs(z - np.median(z)))
    return max(1.0, float(deviation) ** 2)


def _slide(values: NDArray[np.generic]) -> Array:
    return np.asarray(np.lib.stride_tricks.sliding_window_view(values, _WINDOW))


def _measure_longest_run(looks: NDArray[np.bool_]) -> int:
    edges = np.flatnonzero(np.diff(np.concatenate([[False], looks, [False]]).astype(np.int8)))
    return int((edges[1::2] - edges[::2]).max(initial=0))
