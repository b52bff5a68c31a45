"""Nothing that was signed is altered unseen: no byte of a file, no chain that was made anew."""

from random import Random

import pytest

from rollout.checkpoint.merkle import roots
from rollout.errors import JournalError
from rollout.journal.jsonl import from_lines, to_lines
from tests.support.fuzzing import fuzz
from tests.support.manifests import ROOT
from tests.support.sealed import reseal

RECORDED = ROOT / "notebooks" / "data" / "demo.jsonl"
ENTRIES, SIGNED = 40, 34


@pytest.fixture(scope="module")
def rows():
    """The first entries of a real rollout."""
    with RECORDED.open(encoding="utf-8") as lines:
        return from_lines(line for _, line in zip(range(ENTRIES), lines, strict=False))


def damage(dice: Random, texts: list[str]) -> list[str]:
    """Return the texts with one flip, drop, swap, insertion or cut among those that were signed."""
    at, other = dice.randrange(SIGNED), dice.randrange(SIGNED)
    match dice.randrange(5):
        case 0:
            letter = dice.randrange(len(texts[at]))
            flipped = chr(ord(texts[at][letter]) ^ (1 << dice.randrange(7)))
            text = texts[at][:letter] + flipped + texts[at][letter + 1 :]
            return [*texts[:at], text, *texts[at + 1 :]]
        case 1:
            return [*texts[:at], *texts[at + 1 :]]
        case 2:
            swapped = [*texts]
            swapped[at], swapped[other] = swapped[other], swapped[at]
            return swapped
        case 3:
            return [*texts[:at], texts[other], *texts[at:]]
    return texts[:at]


def test_no_damage_before_a_checkpoint_passes(rows):
    texts = [row.text for row in rows]
    signed = roots((text.encode() for text in texts), {SIGNED})[SIGNED]

    def check(mutator):
        damaged = damage(mutator.random, texts)
        if damaged[:SIGNED] == texts[:SIGNED]:  # swapped with itself, or put in behind its equal
            return
        leaves = [row.text.encode() for row in reseal(damaged)]
        assert roots(leaves, {SIGNED}).get(SIGNED) != signed

    fuzz("signed entries", 0.1, check)


def test_no_damage_to_a_recording_is_read_as_its_chain(rows):
    lines = [f"{line}\n" for line in to_lines(rows)]

    def check(mutator):
        damaged = damage(mutator.random, lines)
        try:
            whole = from_lines("".join(damaged).splitlines(keepends=True))
        except JournalError:
            return
        # What is still a chain is the same, in other spaces, or a part from the start: a cut.
        assert whole == rows[: len(whole)]

    fuzz("recorded lines", 0.05, check)
