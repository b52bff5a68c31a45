"""Rows of a journal that are sealed anew, as who may write the file can."""

from collections.abc import Iterable

from rollout.journal.hash_chain import START, Row, digest


def reseal(texts: Iterable[str]) -> list[Row]:
    """Return rows of these texts with a chain that is whole."""
    sealed = [START]
    for seq, text in enumerate(texts, 1):
        previous = sealed[-1].hash
        sealed.append(Row(seq, text, previous, digest(previous, seq, text)))
    return sealed[1:]
