"""Reads the last counted samples of very many series again: in bulk, but for those in doubt."""

from __future__ import annotations

import numpy as np

from rollout.decide.record.tally import LookTally
from rollout.observe.bulk.catalogue import BulkAnswer
from rollout.observe.bulk.ends import Ends, Recorded, read_ends
from rollout.observe.bulk.layout import Flags, Shape
from rollout.observe.bulk.row_texts import MANY
from rollout.observe.bulk.samples import Floats
from rollout.observe.bulk.shape import find_shape
from rollout.observe.evidence import RawPart
from rollout.observe.parse import read_raw
from rollout.observe.query import QueryPart
from rollout.observe.selectors.source import Source
from rollout.observe.tally.digests import Name


def read_again(
    source: Source, query_part: QueryPart, answer: BulkAnswer, mark: LookTally, name: Name
) -> tuple[RawPart, Ends]:
    """Return where the series of an answer stood by a tally, and those that are judged by samples.

    Raises ObserveError.
    """
    versions = query_part.canary, query_part.stable
    arms = [answer.find((query_part.service, version)) for version in versions]
    positions, ends = np.concatenate(arms), Ends()
    is_simple = query_part.metric.kind == "shape" or query_part.metric.has_own_total
    if is_simple and mark.grid is None and len(positions) >= MANY:
        shape = find_shape(source, query_part, answer, arms)
        until, is_doubted = _find_until(shape, mark, name), _find_doubted(shape, mark, name)
        recorded = Recorded(mark.edges, until, is_doubted)
        read = read_ends(answer, positions, shape, recorded)
        if read is not None:
            ends, positions = read
    return read_raw(source, query_part, answer.read_items(positions)), ends


def _find_until(shape: Shape, mark: LookTally, name: Name) -> Floats:
    """Return until when each series was counted: that of its target, if it was behind others."""
    limits = np.full(len(shape.keys), mark.until)
    if mark.behind:
        targets = [shape.processes.get((arm, key)) or f"{arm} {key}" for arm, key in shape.keys]
        behind = {target: mark.behind.get(name(target)) for target in {*targets}}
        limits = np.array([behind[target] or mark.until for target in targets])
    return limits


def _find_doubted(shape: Shape, mark: LookTally, name: Name) -> Flags:
    """Return which series fell lately: of those the samples before the last one matter too."""
    if mark.held_more:
        return np.ones(len(shape.keys), dtype=np.bool_)
    lately = {*mark.held, *mark.doubted}
    if not lately:
        return np.zeros(len(shape.keys), dtype=np.bool_)
    return np.array([name(f"{arm} {key}") in lately for arm, key in shape.keys], dtype=np.bool_)
