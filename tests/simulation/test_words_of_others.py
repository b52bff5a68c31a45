"""Words of a mesh, a hook, a Prometheus or a person steer nobody's terminal, in any output.

They reach a rollout raw at every door, and its outputs are walked: commands on a terminal and as
JSON, the drawn screen, the web page and its API, the metrics page, a resource's status and Events,
and hooks' bodies.
"""

from __future__ import annotations

import json
import unicodedata
from contextlib import closing
from dataclasses import dataclass, field, replace

import pytest
from click.testing import CliRunner

from rollout.cli import surefoot
from rollout.decide.record.facts import Decided, HumanSaid
from rollout.errors import RouteError
from rollout.journal.sql.store import open_journal
from rollout.metrics.meter import Meter
from rollout.metrics.page import line, page
from rollout.operate.reconciler import Reconciler
from rollout.ports import Answer, HookCall, HookReply, Ports
from rollout.simulate import MemoryRouter
from rollout.tick.controller import Controller
from tests.support.api_answers import api_answers
from tests.support.plans import Operated

FORGED = "entry 7 promoted"
STEERING = "\x1b]0;title\x07\x1b[2J\u202egnol\u2066\x9b31m\u200b"
WORDS = f"ok{STEERING}\r\n{FORGED}\u2028{FORGED}\u2029\x85\x0b"
HOOKS = [
    {"name": "warm", "when": "before", "url": "http://hooks.example/x"},
    {"name": "tell", "when": "rolledBack", "url": "http://hooks.example/x"},
]


@dataclass
class TalkingRouter(MemoryRouter):
    """A mesh that has words everywhere: names of routes, conditions, owners, marks, refusals."""

    is_refused: bool = False
    is_telling: bool = False

    def write(self, plan, split, write_id, before=None, *, is_last=False):
        if self.is_refused:
            raise RouteError(WORDS, refused=True)
        super().write(plan, split, write_id, before, is_last=is_last)

    def read(self, plan, total, before=None):
        status = super().read(plan, total, before)
        words = (WORDS,)
        if not self.is_telling:
            return replace(status, pinned=words, strays=words if status.write_id else ())
        return replace(status, policy=WORDS, conditions=words, owner=WORDS, pinned=words)

    def diagnose(self, plan):
        return WORDS


@dataclass
class TalkingHooks:
    """Receivers that refuse with words."""

    calls: list[HookCall] = field(default_factory=list)
    waiting: list[HookReply] = field(default_factory=list)

    def call(self, call):
        self.calls.append(call)
        self.waiting.append(HookReply(call.key, WORDS if len(self.calls) % 2 else ""))

    def replies(self):
        replies, self.waiting = self.waiting, []
        return replies


@dataclass
class TalkingWorld(Operated):
    """A rollout to which everybody talks, with what it has shown."""

    router: TalkingRouter = field(default_factory=TalkingRouter)
    hooks: TalkingHooks = field(default_factory=TalkingHooks)
    alarms: list[str] = field(default_factory=list)
    is_silent: bool = False
    statuses: list[str] = field(default_factory=list)  # on the way

    def restart(self):
        super().restart()
        ports = Ports(self, self.router, self.journal, self.clock, self.hooks)
        controller = Controller(ports, "test", on_problem=self.alarms.append)
        self.meter = Meter("1", self.clock.now, self.clock.now)
        controller.on_entry = self.meter.note
        controller.tick = self.meter.around(  # type: ignore[method-assign]
            controller.tick, controller.states, lambda: controller.head, controller.count_attempts
        )
        self.operator = Reconciler(controller, self.cluster, self.outbox, self.namespace)
        self.states = controller.states

    def observe(self, asks, now):
        answers = self.world.observe(asks, now)
        if not self.is_silent:
            return answers
        return {
            name: Answer(problems=dict.fromkeys(("errors", "latency", "accuracy"), WORDS))
            for name in answers
        }

    def say(self, rollout, command):
        at = self.clock.now()
        fact = HumanSaid(rollout=rollout, at=at, command=command, actor=WORDS, reason=WORDS)
        self.journal.append([fact], self.journal.read()[-1].seq)


@pytest.fixture(scope="module")
def world():
    world = TalkingWorld()
    rollout = world.apply(hooks=HOOKS, onDrift="pause").id
    world.run(20)
    world.say(rollout, "resume")
    world.run_until(lambda: bool(world.states[rollout].split.canary))
    world.run(5)
    world.router.is_telling = True
    world.run(10)
    world.say(rollout, "resume")
    world.run(5)
    world.router.statuses[rollout] = replace(
        world.router.read(world.states[rollout].plan, 100), write_id=WORDS
    )
    world.run(10)
    world.is_silent = True
    world.run(60)
    world.router.is_refused = True
    world.say(rollout, "abort")
    world.run(10)
    world.statuses = [json.dumps(world.status(), ensure_ascii=False)]
    world.router.is_refused = world.is_silent = False
    world.run(60)
    return world


def find_steering(text: str) -> list[str]:
    """Return the characters of a text that steer a terminal, and the lines that are forged."""
    steering = [
        repr(c) for c in text if c != "\n" and unicodedata.category(c) in {"Cc", "Cf", "Cs"}
    ]
    breaks = [repr(c) for c in text if c in "\u2028\u2029"]
    return steering + breaks + [row for row in text.split("\n") if row.startswith(FORGED)]


def walk_texts(value):
    """Yield every text in plain data."""
    if isinstance(value, str):
        yield value
    for item in [*value.values(), *value] if isinstance(value, dict) else ():
        yield from walk_texts(item)
    for item in value if isinstance(value, list | tuple) else ():
        yield from walk_texts(item)


def test_the_words_have_come_through_every_door(world):
    kinds = world.kinds()
    assert {"route-failed", "hook-answered", "human-said", "decided", "observed"} <= set(kinds)
    raw = [entry.fact.model_dump_json() for entry in world.journal.read()]
    assert sum(FORGED in text for text in raw) > 10


COMMANDS = [
    ["log", "--all"],
    ["log", "--json", "--all"],
    ["status"],
    ["status", "--json"],
    ["status", "demo"],
    ["watch", "--once"],
    ["why", "DECISION"],
    ["why", "DECISION", "--json"],
    ["verdict", "demo"],
    ["verdict", "demo", "--json"],
    ["verdict", "demo", "--for", "promotion"],
    ["wait", "demo"],
    ["wait", "demo", "--json"],
    ["diff", "demo", "demo"],
    ["verify"],
    ["report", "demo", "--json"],
    ["abort", "demo"],
    ["resume", "demo"],
]
ANSWERING = {"verdict", "wait", "abort", "resume"}  # by their exit codes too


@pytest.fixture(scope="module")
def journal(world, tmp_path_factory):
    path = tmp_path_factory.mktemp("words") / "journal.db"
    facts = [entry.fact for entry in world.journal.read()]
    with closing(open_journal(path)) as opened:
        opened.append(facts, after=0)
    return path


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_no_command_shows_what_steers(world, journal, words):
    decisions = [e.seq for e in world.journal.read() if isinstance(e.fact, Decided)]
    numbers = decisions if "DECISION" in words else [0]
    for number in map(str, numbers):
        command = [number if word == "DECISION" else word for word in words]
        output = CliRunner().invoke(surefoot, [*command, "--journal", str(journal)])
        assert output.exit_code == 0 or words[0] in ANSWERING, output.output
        assert output.output
        assert find_steering(output.output) == []
        if "--json" in words:
            rows = output.output.splitlines() if words[0] == "log" else [output.output]
            texts = [text for row in rows for text in walk_texts(json.loads(row))]
            assert [text for text in texts if find_steering(text)] == []


def test_no_report_has_it(journal, tmp_path):
    words = ["report", "demo", "--to", str(tmp_path / "report.html"), "--journal", str(journal)]
    output = CliRunner().invoke(surefoot, words)
    assert output.exit_code == 0, output.output
    text = (tmp_path / "report.html").read_text()
    assert FORGED in text, "the words are told"
    assert find_steering(text) == []


def test_no_page_and_no_answer_of_the_api_has_it(journal, tmp_path):
    output = CliRunner().invoke(surefoot, ["site", str(tmp_path), "--journal", str(journal)])
    assert output.exit_code == 0, output.output
    pages = [file.read_text() for file in tmp_path.glob("*.html")]
    assert any(FORGED in text for text in pages), "the words are told"
    assert [steering for text in pages for steering in find_steering(text)] == []
    with closing(open_journal(journal)) as opened:
        answers = [json.loads(text) for _, text in api_answers(opened, "demo")]
    texts = [text for answer in answers for text in walk_texts(answer)]
    assert any(FORGED in text for text in texts)
    assert [text for text in texts if find_steering(text)] == []


def test_no_drawn_screen_has_it(world, journal, tmp_path):
    decisions = [e.seq for e in world.journal.read() if isinstance(e.fact, Decided)]
    for number in decisions[-6:]:
        picture = tmp_path / f"{number}.svg"
        command = ["watch", "--at", str(number), "--svg", str(picture), "--journal", str(journal)]
        output = CliRunner().invoke(surefoot, command)
        assert output.exit_code == 0, output.output
        assert find_steering(picture.read_text() + output.output) == []


def test_nothing_is_recorded_raw_and_so_no_export_has_it(world):
    """But what somebody writes into the journal past our commands, which clean it.

    Line ends stay in errors, and are escaped in the JSON of a row.
    """
    facts = [entry.fact for entry in world.journal.read() if entry.fact.kind != "human-said"]
    facts = [fact for fact in facts if "asked by" not in getattr(fact, "sentence", "")]
    texts = [(fact.kind, text) for fact in facts for text in walk_texts(fact.model_dump())]
    assert any(FORGED in text for _, text in texts)
    assert [(kind, text) for kind, text in texts if find_steering(text.replace("\n", " "))] == []


def test_no_metrics_page_has_it(world):
    text = page(line(sample) for sample in world.meter.samples()) + world.meter.rollouts()
    assert 'rollout="demo' in text
    assert find_steering(text) == []


def test_no_resource_and_no_event_has_it(world):
    views = [world.status(), *map(json.loads, world.statuses), world.cluster.events]
    views.append(world.cluster.patches)
    texts = [text for value in views for text in walk_texts(value)]
    assert any(FORGED in text for text in texts), "the words are told"
    assert [text for text in texts if find_steering(text.replace(f"\n{FORGED}", ""))] == []


def test_no_hook_is_sent_it(world):
    assert len(world.hooks.calls) > 2
    texts = [text for call in world.hooks.calls for text in walk_texts(dict(call.body))]
    assert [text for text in texts if find_steering(text)] == []


def test_no_problem_on_the_standard_error_has_it(world):
    assert [text for text in world.alarms if find_steering(text)] == []
