"""Hooks in whole rollouts: before the first step, after the end, never in a rollback's way."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import pytest

from rollout.decide.fold import fold_all
from rollout.decide.record.facts import HookAnswered, HookCalled, HumanSaid
from rollout.decide.record.split import Split
from rollout.decide.step import step
from rollout.ports import HookCall, HookReply
from tests.support.reaper import Killed, Mortal, Reaper
from tests.support.worlds import BAD, GOOD, Lab, plan

URL = "http://hooks.example/x"
WARM = {"name": "warm", "when": "before", "url": URL}
DOWN = {"name": "scale-down", "when": "promoted", "url": URL}
TELL = {"name": "tell", "when": "rolledBack", "url": URL}


@dataclass
class Listener:
    """Whoever is called: `problems` are its next answers; `mute` never answers."""

    problems: list[str] = field(default_factory=list)
    mute: bool = False
    heard: list[HookCall] = field(default_factory=list)
    waiting: list[HookReply] = field(default_factory=list)

    def call(self, call):
        self.heard.append(call)
        if not self.mute:
            problem = self.problems.pop(0) if self.problems else ""
            self.waiting.append(HookReply(call.key, problem))

    def replies(self):
        found, self.waiting = self.waiting, []
        return found

    @property
    def keys(self):
        return [call.key.partition("/")[2] for call in self.heard]


def lab(*hooks, canary=GOOD, listener=None, **spec):
    listener = listener or Listener()
    made = Lab(
        canary,
        plan=plan(hooks=list(hooks), **spec),
        wrap=lambda ports: replace(ports, hooks=listener),
    )
    return made, listener


def tick(made, seconds):
    for _ in range(round(seconds / 0.5)):
        made.controller.tick()
        made.clock.sleep(0.5)


def say(made, command):
    fact = HumanSaid(rollout=made.plan.id, at=made.clock.now(), command=command, actor="ada")
    made.journal.append([fact], made.entries[-1].seq)


def kinds(made):
    """What was recorded, observations and holds aside."""
    return [
        getattr(fact, "action", fact.kind)
        for fact in made.facts
        if fact.kind != "observed" and getattr(fact, "action", "") != "hold"
    ]


def test_the_first_step_waits_for_its_hook_and_no_other_does():
    made, listener = lab(WARM)
    made.run()
    assert kinds(made)[:5] == ["started", "hook-called", "hook-answered", "advance", "confirmed"]
    assert listener.keys == ["warm/1"]
    assert made.state.phase == "promoted"


def test_a_hook_after_the_end_is_called_when_the_mesh_has_confirmed():
    made, listener = lab(DOWN, TELL)
    made.run()
    tick(made, 2)
    assert kinds(made)[-4:] == ["promote", "confirmed", "hook-called", "hook-answered"]
    assert listener.keys == ["scale-down/1"]
    assert made.plan.id not in made.controller.fleet.calls


def test_what_a_hook_is_told():
    made, listener = lab(TELL, canary=BAD)
    made.run()
    tick(made, 1)
    (call,) = listener.heard
    assert call.key == f"{made.plan.id}/tell/1"
    assert (call.url, call.timeout) == (URL, 5.0)
    said = made.state.last.sentence
    assert call.body == {
        "rollout": made.plan.id,
        "plan": "demo",
        "namespace": "default",
        "service": "summarizer",
        "stable": "v1",
        "canary": "v2",
        "hook": "tell",
        "when": "rolledBack",
        "attempt": 1,
        "action": "roll back",
        "sentence": said,
    }


def test_flagger_runs_hooks_before_it_restores_traffic():
    """Flagger: hooks and alerts run before traffic is restored, a 2 s hook delays it by 2 s."""
    mute, listener = lab(TELL, canary=BAD, listener=Listener(mute=True))
    plain = Lab(BAD, plan=plan())
    plain.run()
    mute.run()
    assert [d.at for d in mute.decisions] == [d.at for d in plain.decisions]
    assert mute.router.statuses[mute.plan.id].split == Split(0, 100)
    tick(mute, 60)
    assert listener.keys == ["tell/1"], "one call at a time"


def test_a_failing_hook_is_tried_again_with_back_off_and_then_told():
    made, listener = lab({**DOWN, "attempts": 3}, listener=Listener(["HTTP 503"] * 3))
    made.run()
    tick(made, 30)
    assert listener.keys == ["scale-down/1", "scale-down/2", "scale-down/3"]
    called = [fact.at for fact in made.facts if isinstance(fact, HookCalled)]
    assert called[1] - called[0] >= 2
    assert called[2] - called[1] >= 4
    assert made.state.phase == "promoted"
    assert made.router.statuses[made.plan.id].split == Split(100, 100)


@pytest.mark.parametrize(("policy", "phase"), [("pause", "paused"), ("continue", "promoted")])
def test_a_failed_hook_before_the_first_step_is_what_the_plan_says(policy, phase):
    hook = {**WARM, "attempts": 2, "onFailure": policy}
    made, _ = lab(hook, listener=Listener(["HTTP 500"] * 2))
    assert made.run(120).phase == phase
    if policy == "pause":
        assert made.state.split.canary == 0
        pause = next(d for d in made.decisions if d.action == "pause")
        assert pause.sentence.startswith("Pause v2 at 0 %: the hook warm failed: HTTP 500; next: ")
        say(made, "resume")
        assert made.run().phase == "promoted", "a person may go on without it"


def test_an_abort_while_the_hook_is_silent_is_done_at_once():
    made, listener = lab(WARM, listener=Listener(mute=True))
    made.run_until(lambda _: bool(listener.heard))
    say(made, "abort")
    made.controller.tick()
    assert made.state.phase == "rolled back"


def test_hooks_of_one_moment_are_called_in_their_order_one_after_the_other():
    made, listener = lab(DOWN, {**DOWN, "name": "tell-all"}, listener=Listener(["HTTP 404"]))
    made.run()
    tick(made, 10)
    assert listener.keys == ["scale-down/1", "scale-down/2", "tell-all/1"]


def test_nothing_is_scaled_down_once_an_undo_is_said():
    made, listener = lab(DOWN, listener=Listener(["HTTP 503"]))
    made.run()
    made.controller.tick()
    assert listener.keys == ["scale-down/1"]
    say(made, "undo")
    tick(made, 30)
    assert made.state.phase == "undone"
    assert listener.keys == ["scale-down/1"]


def test_every_decision_replays():
    made, _ = lab(WARM, DOWN, listener=Listener(["HTTP 500"]))
    made.run()
    for index, entry in enumerate(made.entries):
        if entry.fact.kind == "decided":
            before = fold_all((e.seq, e.fact) for e in made.entries[:index])
            assert step(before, entry.fact.at, made.plan.id) == entry.fact


@dataclass
class Dying(Listener):
    """A door whose calls pass by the reaper; what was under way dies with the process."""

    reaper: Reaper = field(default_factory=lambda: Reaper(0, after=False))
    world: list[str] = field(default_factory=list)

    def call(self, call):
        def act():
            self.world.append(call.key)
            Listener.call(self, call)

        self.reaper.through("call", act)


def live(canary, reaper):
    """Run to the end; after a death a new controller takes over. Returns what was heard, too."""
    world: list[str] = []

    def wrap(ports):
        mesh, journal = Mortal(ports.router, reaper), Mortal(ports.journal, reaper)
        return replace(ports, router=mesh, journal=journal, hooks=Dying(reaper=reaper, world=world))

    made = Lab(canary, seed=2, plan=plan(warmup="2s", hooks=[WARM, DOWN, TELL]))
    made.wrap = wrap
    made.restart()
    while made.controller.active or made.plan.id in made.controller.fleet.calls:
        try:
            made.controller.tick()
        except Killed:
            made.restart()
            continue
        made.clock.sleep(0.5)
    return made, world


@pytest.mark.parametrize(("canary", "last"), [(GOOD, "scale-down"), (BAD, "tell")])
def test_a_death_before_or_after_any_effect_leaves_at_least_one_call_with_one_key(canary, last):
    unharmed = Reaper(0, after=False)
    whole, keys = live(canary, unharmed)
    places = [n for n, name in enumerate(unharmed.effects, 1) if "hook" in name or name == "call"]
    assert (len(keys), len(places)) == (2, 6)
    for at in places:
        for after in (False, True):
            made, again = live(canary, Reaper(at, after=after))
            story = f"killed {'after' if after else 'before'} {unharmed.effects[at - 1]}"
            assert [*dict.fromkeys(again)] == keys, story
            assert made.state.phase == whole.state.phase, story
            assert (
                made.router.statuses[made.plan.id].split
                == whole.router.statuses[made.plan.id].split
            )
            told = [fact.hook for fact in made.facts if isinstance(fact, HookAnswered)]
            assert told == ["warm", last], story


def test_no_deadline_promotes_past_a_hook_that_has_not_answered():
    held = {"hold": "30s", "then": "pause"}
    asked = {"deadline": "1m", "whenInconclusive": "promote", "whenBlind": held}
    made, _ = lab(WARM, listener=Listener(mute=True), **asked)
    tick(made, 150)
    assert kinds(made)[-1] == "pause"
    (paused,) = [each for each in made.decisions if each.action == "pause"]
    assert paused.reasons == ("inconclusive", "not-promoted", "awaiting-hook:warm")
    assert made.router.writes == []
