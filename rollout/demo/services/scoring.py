"""The judge "rouge-facts": scores a summary against the note's reference and key facts."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import Any

from rollout.demo.services.corpus import Note, coverage

NAME, JUDGE, JUDGE_VERSION = "summary", "rouge-facts", "1"

# 0.02, 0.04, ..., 1.0. Each is the float nearest to its two decimals, so that it prints as these;
# a tolerance of .04 is two buckets.
EDGES = tuple(step / 50 for step in range(1, 51))
PASS_MARK = 0.2


def score(note: Note, summary: str) -> float:
    """Return the mean of ROUGE-L F1 (Lin 2004, stemmed) and the share of key facts, in [0, 1].

    ROUGE-L compares the whole wording and its length; the facts are what a reader must not miss.
    An empty summary scores 0.
    """
    rouge = _load_rouge().score(note.reference, summary)["rougeL"].fmeasure
    return float(rouge + coverage(summary, note.facts)) / 2


@cache
def _load_rouge() -> Any:
    # Imported here because it takes most of a second: only the evaluator and a score drop need it.
    scorer = import_module("rouge_score.rouge_scorer").RougeScorer
    return scorer(["rougeL"], use_stemmer=True)
