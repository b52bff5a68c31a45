"""One rollout's answer, put together guardrail by guardrail."""

from __future__ import annotations

from dataclasses import dataclass, field

from analysis.counting.cursor import Series
from analysis.counting.origin import Origins
from rollout.decide.record.tally import LookTally
from rollout.observe.parse import ParsedSamples
from rollout.observe.tally.counter import LookCounter
from rollout.ports import Answer, Ask


@dataclass
class LookAnswer:
    """One rollout's answer, put together part by part."""

    ask: Ask
    series: dict[str, tuple[Series, ...]] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)
    origins: dict[str, Origins] = field(default_factory=dict)
    unbelieved: dict[str, tuple[str, ...]] = field(default_factory=dict)
    tallies: dict[str, LookTally] = field(default_factory=dict)
    skew: float | None = None

    def add(self, samples: ParsedSamples, counter: LookCounter) -> None:
        """Add one guardrail's samples: counted where the ask has marks, else as they are."""
        name = samples.query_part.guardrail
        if samples.problem or (samples.doubt and self.ask.marks is not None):
            self.problems[name] = samples.problem or samples.doubt
        elif self.ask.marks is not None:
            self._add_tally(name, counter.count(self.ask, samples))
        elif samples.series:
            self.series[name], self.origins[name] = samples.series, samples.origins
            self._add_words(name, samples.unbelieved)

    def _add_tally(self, name: str, counted: tuple[LookTally, tuple[str, ...]] | None) -> None:
        if counted is not None:
            self.tallies[name], words = counted
            self._add_words(name, words)

    def _add_words(self, name: str, words: tuple[str, ...]) -> None:
        if words:
            self.unbelieved[name] = words

    @property
    def answer(self) -> Answer:
        """What was added so far."""
        return Answer(
            self.series,
            self.problems,
            self.origins,
            self.unbelieved,
            self.tallies,
            self.ask.marks or {},
            self.skew,
        )
