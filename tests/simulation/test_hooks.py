"""Hooks in whole rollouts: before the first step, after the end, never in a rollback's way."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import pytest

from rollout.decide.fold import fold_all
from rollout.decide.record.facts import HookAnswered, HookCalled, HumanSaid
from rollout.decide.record.split import Split
from rollout.decide.state.hooks import next_call
from rollout.decide.state.rollout import HookAttempt
from rollout.decide.step import step
from rollout.ports import HookCall, HookReply
from rollout.tick.hooks import HookRunner
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
        replies, self.waiting = self.waiting, []
        return replies

    @property
    def keys(self):
        return [call.key.partition("/")[2] for call in self.heard]


def lab(*hooks, canary=GOOD, listener=None, **spec):
    listener = listener or Listener()
    rollout = Lab(
        canary,
        plan=plan(hooks=list(hooks), **spec),
        wrap=lambda ports: replace(ports, hooks=listener),
    )
    return rollout, listener


def tick(rollout, seconds):
    for _ in range(round(seconds / 0.5)):
        rollout.controller.tick()
        rollout.clock.sleep(0.5)


def say(rollout, command):
    fact = HumanSaid(rollout=rollout.plan.id, at=rollout.clock.now(), command=command, actor="ada")
    rollout.journal.append([fact], rollout.entries[-1].seq)


def kinds(rollout):
    """What was recorded; observations, reads of the route and holds aside."""
    return [
        getattr(fact, "action", fact.kind)
        for fact in rollout.facts
        if fact.kind not in {"observed", "route-read"} and getattr(fact, "action", "") != "hold"
    ]


def test_the_first_step_waits_for_its_hook_and_no_other_does():
    rollout, listener = lab(WARM)
    rollout.run()
    assert kinds(rollout)[:5] == ["started", "hook-called", "hook-answered", "advance", "confirmed"]
    assert listener.keys == ["warm/1"]
    assert rollout.state.phase == "promoted"


def test_a_hook_after_the_end_is_called_when_the_mesh_has_confirmed():
    rollout, listener = lab(DOWN, TELL)
    rollout.run()
    tick(rollout, 2)
    assert kinds(rollout)[-4:] == ["promote", "confirmed", "hook-called", "hook-answered"]
    assert listener.keys == ["scale-down/1"]
    assert rollout.plan.id not in rollout.controller.fleet.calls


def test_what_a_hook_is_told():
    rollout, listener = lab(TELL, canary=BAD)
    rollout.run()
    tick(rollout, 1)
    (call,) = listener.heard
    assert call.key == f"{rollout.plan.id}/tell/1"
    assert (call.url, call.timeout) == (URL, 5.0)
    sentence = rollout.state.last.sentence
    assert call.body == {
        "rollout": rollout.plan.id,
        "plan": "demo",
        "namespace": "default",
        "service": "summarizer",
        "stable": "v1",
        "canary": "v2",
        "hook": "tell",
        "when": "rolledBack",
        "attempt": 1,
        "action": "roll back",
        "sentence": sentence,
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
    rollout, listener = lab({**DOWN, "attempts": 3}, listener=Listener(["HTTP 503"] * 3))
    rollout.run()
    tick(rollout, 30)
    assert listener.keys == ["scale-down/1", "scale-down/2", "scale-down/3"]
    called = [fact.at for fact in rollout.facts if isinstance(fact, HookCalled)]
    assert called[1] - called[0] >= 2
    assert called[2] - called[1] >= 4
    assert rollout.state.phase == "promoted"
    assert rollout.router.statuses[rollout.plan.id].split == Split(100, 100)


@pytest.mark.parametrize(("policy", "phase"), [("pause", "paused"), ("continue", "promoted")])
def test_a_failed_hook_before_the_first_step_is_what_the_plan_says(policy, phase):
    hook = {**WARM, "attempts": 2, "onFailure": policy}
    rollout, _ = lab(hook, listener=Listener(["HTTP 500"] * 2))
    assert rollout.run(120).phase == phase
    if policy == "pause":
        assert rollout.state.split.canary == 0
        pause = next(d for d in rollout.decisions if d.action == "pause")
        assert pause.sentence.startswith("Pause v2 at 0 %: the hook warm failed: HTTP 500; next: ")
        say(rollout, "resume")
        assert rollout.run().phase == "promoted", "a person may go on without it"


def test_an_abort_while_the_hook_is_silent_is_done_at_once():
    rollout, listener = lab(WARM, listener=Listener(mute=True))
    rollout.run_until(lambda _: bool(listener.heard))
    say(rollout, "abort")
    rollout.controller.tick()
    assert rollout.state.phase == "rolled back"


def test_hooks_of_one_moment_are_called_in_their_order_one_after_the_other():
    rollout, listener = lab(DOWN, {**DOWN, "name": "tell-all"}, listener=Listener(["HTTP 404"]))
    rollout.run()
    tick(rollout, 10)
    assert listener.keys == ["scale-down/1", "scale-down/2", "tell-all/1"]


def test_nothing_is_scaled_down_once_an_undo_is_said():
    rollout, listener = lab(DOWN, listener=Listener(["HTTP 503"]))
    rollout.run()
    rollout.controller.tick()
    assert listener.keys == ["scale-down/1"]
    say(rollout, "undo")
    tick(rollout, 30)
    assert rollout.state.phase == "undone"
    assert listener.keys == ["scale-down/1"]


def test_every_decision_replays():
    rollout, _ = lab(WARM, DOWN, listener=Listener(["HTTP 500"]))
    rollout.run()
    for index, entry in enumerate(rollout.entries):
        if entry.fact.kind == "decided":
            before = fold_all((e.seq, e.fact) for e in rollout.entries[:index])
            assert step(before, entry.fact.at, rollout.plan.id) == entry.fact


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

    rollout = Lab(canary, seed=2, plan=plan(warmup="2s", hooks=[WARM, DOWN, TELL]))
    rollout.wrap = wrap
    rollout.restart()
    while rollout.controller.active or rollout.plan.id in rollout.controller.fleet.calls:
        try:
            rollout.controller.tick()
        except Killed:
            rollout.restart()
            continue
        rollout.clock.sleep(0.5)
    return rollout, world


@pytest.mark.parametrize(("canary", "last"), [(GOOD, "scale-down"), (BAD, "tell")])
def test_a_death_before_or_after_any_effect_leaves_at_least_one_call_with_one_key(canary, last):
    unharmed = Reaper(0, after=False)
    whole, keys = live(canary, unharmed)
    places = [n for n, name in enumerate(unharmed.effects, 1) if "hook" in name or name == "call"]
    assert (len(keys), len(places)) == (2, 6)
    for at in places:
        for after in (False, True):
            rollout, again = live(canary, Reaper(at, after=after))
            story = f"killed {'after' if after else 'before'} {unharmed.effects[at - 1]}"
            assert [*dict.fromkeys(again)] == keys, story
            assert rollout.state.phase == whole.state.phase, story
            assert (
                rollout.router.statuses[rollout.plan.id].split
                == whole.router.statuses[rollout.plan.id].split
            )
            answered_hooks = [fact.hook for fact in rollout.facts if isinstance(fact, HookAnswered)]
            assert answered_hooks == ["warm", last], story


def test_no_deadline_promotes_past_a_hook_that_has_not_answered():
    held = {"hold": "30s", "then": "pause"}
    asked = {"deadline": "1m", "whenInconclusive": "promote", "whenBlind": held}
    rollout, _ = lab(WARM, listener=Listener(mute=True), **asked)
    tick(rollout, 150)
    assert kinds(rollout)[-1] == "pause"
    (paused,) = [decision for decision in rollout.decisions if decision.action == "pause"]
    assert paused.reasons == ("inconclusive", "not-promoted", "awaiting-hook:warm")
    assert rollout.router.writes == []


def test_hooks_of_an_end_whose_mesh_could_not_be_reached_need_the_plan_s_word():
    always = {**TELL, "name": "always", "whenNotSeen": "call"}
    rollout, listener = lab(TELL, always)
    rollout.run_until(lambda state: state.split.canary > 0)
    rollout.router.down = "no answer"
    say(rollout, "abandon")
    tick(rollout, 20)
    assert rollout.state.phase == "rolled back"
    assert listener.keys == ["always/1"]


def test_a_server_that_hangs_holds_up_no_other_one_s_hooks():
    waits, _ = lab(WARM, listener=Listener(mute=True))
    state = waits.run_until(lambda state: bool(state.calls))
    assert next_call(state) is not None

    def of_server(server):
        warm = [{**WARM, "url": f"http://{server}/x"}]
        return replace(state, plan=plan(hooks=warm), calls={})

    listener = Listener(mute=True)
    runner = HookRunner(listener)

    def is_called(rollout, state):
        intent = runner.intent(rollout, state, 0.0)
        if intent is not None:
            runner.begin(rollout, replace(state, calls={"warm": HookAttempt(1, calling=True)}))
        return intent is not None

    hung = [is_called(f"hung-{number}", of_server("hangs.example")) for number in range(40)]
    assert 0 < sum(hung) < 40
    assert is_called("well-1", of_server("well.example"))
    listener.waiting = [HookReply(call.key, "no answer in time") for call in listener.heard[:1]]
    runner.answers({f"hung-{number}": state for number in range(40)}, 0.0)
    assert is_called("hung-41", of_server("hangs.example")), "its own go on with room"
