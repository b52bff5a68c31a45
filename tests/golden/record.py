"""Record a small journal as this version writes it: `python -m tests.golden.record FILE.jsonl`.

It is a rollout that is taken back, in the simulated world of the stories. When a fact gets a field,
run it at the commit before, and add the file; `test_golden.py` reads all of them for ever. Versions
from before the stories have a smaller world, in which the same happens: this module runs there too.
"""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from typing import Any

_STORY = "canary=harmful"


def record() -> list[Any]:
    """Return the rows of a journal: a rollout whose canary fails, from its start to its end."""
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
        play.play(import_module("rollout.stories.story").parse_story(1, _STORY))
    finally:
        play.StoryWorld = usual
    return list(worlds[0].disks[0].rows)


def _record_lab() -> list[Any]:
    try:
        worlds = import_module("tests.support.worlds")
    except ImportError:
        worlds = import_module("tests.worlds")
    errors = {"name": "errors", "template": "envoy/errors", "margin": {"absolute": "1%"}}
    lab = worlds.Lab(worlds.BAD, plan=worlds.plan(guardrails=[errors]))
    lab.run()
    return list(lab.journal.rows())


def main(file: Path) -> None:
    """Write the journal as JSON lines, whose form has never changed."""
    lines = (
        f'{{"seq":{row.seq},"previous":"{row.previous}","hash":"{row.hash}","fact":{row.text}}}\n'
        for row in record()
    )
    file.write_text("".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
