"""Defines the demo's summarizer versions: the algorithm of each, and how to run it offline."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib import import_module
from typing import Any

from rollout.demo.services.corpus import Note, notes, sentences, words

SERVICE = "discharge-summarizer"
SENTENCES = 5  # about as many words as a reference summary has

# TextRank scores higher than Luhn on this corpus, at every quantile that a guardrail compares (a
# test checks it); v3 is v2 with faults set by flags.
ALGORITHMS = {"v1": "luhn", "v2": "textrank", "v3": "textrank"}

_SUMMARIZERS = {
    "luhn": ("luhn", "LuhnSummarizer"),
    "textrank": ("text_rank", "TextRankSummarizer"),
    "reduction": ("reduction", "ReductionSummarizer"),
    "sumbasic": ("sum_basic", "SumBasicSummarizer"),
    "lsa": ("lsa", "LsaSummarizer"),
}
KNOWN = tuple(_SUMMARIZERS)

STOP_WORDS = frozenset(
    words(
        "a about after all an and any are as at be been before both but by can did do for from had "
        "has have he her him his if in into is it its may more no not of on or she should so than "
        "that the their them then there this to until was were when which who will with without"
    )
)

Summarizer = Callable[[Note], str]


def summarizer(algorithm: str) -> Summarizer:
    """Return a function from a note to its SENTENCES best sentences, in the note's order.

    Every note is summarised once, and here: no request waits for imports, parsing or a core.
    """
    run = _load_summarizer(algorithm)

    @cache
    def summarize(note: Note) -> str:
        return " ".join(map(str, run(_parse_document(note.text), SENTENCES)))

    for note in notes().values():
        summarize(note)
    return summarize


def truncated(note: Note) -> str:
    """Return the summary of a model that sees only the first sentences of its input."""
    return " ".join(sentences(note.text)[:SENTENCES])


class _Tokenizer:
    """Splits sentences and words by regular expressions; sumy's own tokenizer downloads a model."""

    to_sentences = staticmethod(sentences)
    to_words = staticmethod(words)


def _load_summarizer(algorithm: str) -> Any:
    # Imported here because sumy and nltk take most of a second: only a running service needs them.
    module, name = _SUMMARIZERS[algorithm]
    kind = getattr(import_module(f"sumy.summarizers.{module}"), name)
    stem = import_module("sumy.nlp.stemmers").Stemmer("english")
    instance = kind(cache(stem))
    instance.stop_words = STOP_WORDS
    return instance


@cache
def _parse_document(text: str) -> Any:
    parser = import_module("sumy.parsers.plaintext").PlaintextParser
    return parser.from_string(text, _Tokenizer()).document
