"""Record a small journal as this version writes it: `python -m tests.golden.record FILE [SCENE]`.

A scene is a rollout in the simulated world of the stories; the usual one is taken back. When a fact
gets a field, run it at the commit before for the scenes that write it, add the file and name
it in NEWEST; `test_golden.py` reads all of them for ever. Versions from before the stories have a
smaller world, in which the usual one happens: this module runs there too.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

USUAL, PAST, SUMS, JUDGED = "usual", "past", "sums", "judged"
STORIES = {
    USUAL: "canary=harmful",
    PAST: "canary=dead clients=1",
    SUMS: "canary=harmful clients=1",
    JUDGED: "canary=same clients=3 bake=30s segments=yes judges=changing canary-sick@45:0.5",
    "observe": "canary=harmful authority=observe abort@40",
    "abort-only": "canary=harmful authority=abort-only",
}
"""What happens in each scene; in `past` stable's totals are read, which no story's world has.

In `sums` no label names a process, and members of the sums are away for a few scrapes.
"""

NEWEST = {
    USUAL: "10-collapse",
    PAST: "11-measured-past",
    SUMS: "14-sums",
    JUDGED: "15-judged",
    "observe": "12-observe",
    "abort-only": "13-abort-only",
}
"""The journal of each scene that has the shape of what is written now."""


def record(scene: str = USUAL) -> list[Any]:
    """Return the rows of a scene's journal, from the rollout's start to its end."""
    try:
        play: Any = import_module("rollout.stories.play")
    except ImportError:
        return _record_lab()
    usual, worlds = play.StoryWorld, []

    def keep(*arguments: Any) -> Any:
        worlds.append(usual(*arguments))
        return worlds[-1]

    play.StoryWorld = keep
    try:
        with _past(scene), _sums(scene):
            play.play(import_module("rollout.stories.story").parse_story(1, STORIES[scene]))
    finally:
        play.StoryWorld = usual
    return list(worlds[0].disks[0].rows)


@contextmanager
def _past(scene: str) -> Iterator[None]:
    """Let a world's Prometheus have hours of stable's totals."""
    if scene != PAST:
        yield
        return
    observer: Any = import_module("rollout.stories.world.prometheus").SimulatedObserver
    past = import_module("tests.simulation.test_totals").past_of(cluster=1)
    usual = observer.history
    observer.history = lambda *_: past
    try:
        yield
    finally:
        observer.history = usual


@contextmanager
def _sums(scene: str) -> Iterator[None]:
    """Let a world's Prometheus have sums over processes, of which some are lost and come back."""
    if scene != SUMS:
        yield
        return
    exporter: Any = import_module("rollout.stories.world.exporters").SimulatedExporter
    usual, away = exporter.samples, range(7, 9)

    def add_up(self: Any) -> Iterator[tuple[Any, float]]:
        for labels, value in usual(self):
            own = tuple(pair for pair in labels if pair[0] not in {"instance", "job", "pod"})
            is_count = "destination_version" in dict(own)
            lost = 0.95 * value // 1 if self.scrapes in away else 0.0
            yield (own, value - lost) if is_count else (labels, value)

    exporter.samples = add_up
    try:
        yield
    finally:
        exporter.samples = usual


def _record_lab() -> list[Any]:
    try:
        worlds = import_module("tests.support.worlds")
    except ImportError:
        worlds = import_module("tests.worlds")
    errors = {"name": "errors", "template": "envoy/errors", "margin": {"absolute": "1%"}}
    lab = worlds.Lab(worlds.BAD, plan=worlds.plan(guardrails=[errors]))
    lab.run()
    return list(lab.journal.rows())


def main(file: Path, scene: str = USUAL) -> None:
    """Write the journal as JSON lines, whose form has never changed."""
    lines = (
        f'{{"seq":{row.seq},"previous":"{row.previous}","hash":"{row.hash}","fact":{row.text}}}\n'
        for row in record(scene)
    )
    file.write_text("".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
