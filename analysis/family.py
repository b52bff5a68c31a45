"""Several questions at once: evidence of each, corrected for having asked all of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def adjust(logs: Sequence[float]) -> list[float]:
    """Compute adjusted log e-values: rejecting those at log(1/a) errs anywhere with chance a.

    e*_k is the least mean over all sets of e-values that hold e_k: with S_i the sum of the i
    smallest others, min over i of (e_k + S_i) / (i + 1). The mean of e-values is an e-value,
    whatever their dependence, so this is closed testing, the e-value form of Holm's procedure. It
    holds at all times at once, if each e-value is an e-process.

    Source: Vovk & Wang, Annals of Statistics 49 (2021), 1736-1754, algorithm 1 and theorem 5.1.
    """
    values = np.asarray(logs, dtype=np.float64)
    adjusted = []
    for index in range(values.size):
        others = np.sort(np.delete(values, index))
        sums = np.logaddexp.accumulate(np.concatenate([values[[index]], others]))
        means = sums - np.log(np.arange(1, values.size + 1))
        adjusted.append(float(means.min()))
    return adjusted
