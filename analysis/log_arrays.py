"""Arrays of log-capital: an extra axis for alternatives, and sums without overflow."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]


Column = float | Array
"""A number, or a `column` of them, to broadcast against points."""


def column(values: ArrayLike) -> Array:
    """Convert `values` to float64 with one more axis, to broadcast: (...) -> (..., 1)."""
    return np.asarray(values, dtype=np.float64)[..., None]


def row(*parts: Array) -> Array:
    """Stack values of one shape along a new last axis: each of `parts` (...) -> (..., parts)."""
    stacked = np.empty((*parts[0].shape, len(parts)))
    for index, values in enumerate(parts):
        stacked[..., index] = values
    return stacked


def log_mean(logs: ArrayLike, weights: ArrayLike) -> Array:
    """Compute log sum_i w_i exp(l_i) over the last axis, without overflow: (..., P), (P,) -> (...).

    A weighted mean of e-processes is an e-process under any dependence between them, and no other
    way of merging them is better. Returns a float64 for one-dimensional input. Weights must be
    positive.

    Source: Vovk & Wang, Annals of Statistics 49 (2021), 1736-1754 (arXiv 1912.06116v4), theorem 3.2
    for equal weights; R. Wang (2024), arXiv 2409.19888v2, section 1, for others.
    """
    return log_sum(np.asarray(logs, dtype=np.float64) + np.log(weights))


def log_sum(logs: Array) -> Array:
    """Compute `log_mean` of logs that include their weights: (..., P) -> (...)."""
    top = np.maximum.reduce(logs, axis=-1, keepdims=True)
    total: Array = top[..., 0] + np.log(np.add.reduce(np.exp(logs - top), axis=-1))
    return total
