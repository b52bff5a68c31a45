"""The judge "rouge-facts": how good a summary is, by the note's reference and its key facts."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import Any

from rollout.demo.services.corpus import Note, coverage

NAME, JUDGE, JUDGE_VERSION = "summary", "rouge-facts", "1"

# 0.02, 0.04, ..., 1.0. Each is the float nearest to its two decimals, so that it prints as them;
# a tolerance of .04 is two buckets.
EDGES = tuple(step / 50 for step in range(1, 51))
PASS_MARK = 0.2


def score(note: Note, summary: str) -> float:
    """Mean of ROUGE-L F1 (Lin 2004, stemmed) and the share of key facts contained, in [0, 1].

    The two look at different things: ROUGE-L at the whole wording and its length, the facts at what
    a reader must not miss. An empty summary scores 0.
    """
    rouge = _rouge().score(note.reference, summary)["rougeL"].fmeasure
    return float(rouge + coverage(summary, note.facts)) / 2


@cache
def _rouge() -> Any:
    # Late: the import takes most of a second and only the evaluator and a score drop need it.
    scorer = import_module("rouge_score.rouge_scorer").RougeScorer
    return scorer(["rougeL"], use_stemmer=True)
