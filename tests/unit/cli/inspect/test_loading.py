"""What commands that read load: loading code takes longer than reading does.

Time is not measured, since machines differ: what is loaded is what takes it.
"""

import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from rollout.decide.record.facts import Decided
from rollout.journal.jsonl import LinesJournal
from rollout.journal.sql.store import open_journal

RECORDED = Path(__file__).parents[4] / "notebooks/data/demo.jsonl"
ELSEWHERE = {"kubernetes", "requests", "apscheduler", "prometheus_client", "sqlalchemy"}
ELSEWHERE |= {"matplotlib", "pandas", "jinja2", "starlette", "rollout.observe.prometheus"}
STATISTICS = {"numpy", "scipy", "rollout.decide.step"}
PLANS = {"rollout.plan.model.plan", "re2", "yaml"}
PROGRAM = """
import sys
from rollout.cli import main
try:
    main()
except SystemExit:
    pass
print(*sys.modules, file=sys.stderr)
"""


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    where = tmp_path_factory.mktemp("journal") / "journal.db"
    with closing(open_journal(where)) as journal:
        journal.append([entry.fact for entry in LinesJournal(RECORDED).read()], 0)
    return where


@pytest.mark.parametrize(
    ("words", "unneeded"),
    [
        (["log"], ELSEWHERE | STATISTICS | PLANS | {"rich"}),
        (["log", "-n", "20", "--json"], ELSEWHERE | STATISTICS | PLANS | {"rich"}),
        (["log", "discharge-summarizer-v2"], ELSEWHERE | STATISTICS | PLANS | {"rich"}),
        (["why", "18"], ELSEWHERE | {"rich", "yaml"}),
        (["verdict", "discharge-summarizer-v2"], ELSEWHERE | {"rich", "yaml"}),
        (["wait", "discharge-summarizer-v2"], ELSEWHERE | {"rich", "yaml", "scipy"}),
        (["status"], ELSEWHERE | {"yaml"}),
    ],
)
def test_what_reads_loads_no_more_than_it_uses(recorded, words, unneeded):
    command = [sys.executable, "-c", PROGRAM, *words, "--journal", str(recorded)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout
    assert not unneeded & {*done.stderr.splitlines()[-1].split()}


def test_a_log_builds_only_the_kinds_of_facts_that_it_prints(recorded):
    program = (
        "from rollout.journal.open import open_for_reading\n"
        "from rollout.decide.record import facts\n"
        f"entry = next(open_for_reading({str(recorded)!r}).read_at([1]))\n"
        "kinds = [getattr(facts, name) for name in ('Started', 'Decided', 'Observed')]\n"
        "print(entry.fact.kind, *(kind.__pydantic_complete__ for kind in kinds))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["started", "True", "False", "False"]


def test_why_tells_all_that_is_recorded_before_it_loads_the_statistics(recorded):
    noted = (
        "import click, sys\n"
        "echo = click.echo\n"
        "def note(text):\n"
        "    print(sorted({'numpy', 'scipy', 'urllib3'} & {*sys.modules}), file=sys.stderr)\n"
        "    echo(text)\n"
        "click.echo = note\n"
    )
    command = [sys.executable, "-c", noted + PROGRAM, "why", "18", "--journal", str(recorded)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    fact = next(LinesJournal(RECORDED).read_at([18])).fact
    assert isinstance(fact, Decided)
    sentence, blank, first, *_ = done.stdout.splitlines()
    assert (sentence, blank) == (fact.sentence, "")
    assert first.startswith("decision   18 of ")
    assert "queries (of raw counters" in done.stdout.partition("what the numbers rest on")[0]
    # The sentence, what is recorded beside it, and what deciding again shows.
    assert done.stderr.splitlines()[:3] == ["[]", "[]", "['numpy', 'scipy']"]
