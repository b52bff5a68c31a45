"""Bugs that were put in one at a time and that no test noticed; each has its test here."""

from __future__ import annotations

from rollout.decide.evidence.blindness import blindness, stale_after
from rollout.decide.record.facts import HumanSaid
from rollout.decide.record.split import Split
from rollout.errors import RouteError
from rollout.simulate import MemoryRouter
from tests.support.worlds import GOOD, Lab, plan


def _climbed(lab: Lab, canary: int) -> Lab:
    lab.run_until(lambda state: state.split.canary == canary and not state.delivery.is_open)
    return lab


def test_stable_is_blind_once_its_samples_are_old_and_not_later(monkeypatch):
    lab = _climbed(Lab(GOOD), 25)
    lab.run(3)
    scrape = lab.world._scrape

    def keep_stable_back(at):
        old = {key: sample for key, sample in lab.world.samples.items() if key[0] == "v1"}
        scrape(at)
        lab.world.samples.update(old)

    monkeypatch.setattr(lab.world, "_scrape", keep_stable_back)
    lab.run(stale_after(lab.state) + 4)
    assert "no new sample of v1" in blindness(lab.state, lab.clock.now())["errors"].reason
    weight = lab.state.wanted
    lab.run(20)
    assert lab.state.wanted.canary <= weight.canary, "who is blind does not climb"


def test_a_rollback_does_not_wait_for_the_back_off_of_an_advance():
    lab = _climbed(Lab(GOOD), 5)
    lab.router.down = "Envoy does not answer"
    lab.run_until(lambda state: state.delivery.attempts > 0)
    lab.run(60)
    lab.router.down = ""
    lab.controller.tick()
    assert lab.state.delivery.is_open, "the advance has time"
    abort = HumanSaid(rollout=lab.plan.id, at=lab.clock.now(), command="abort", actor="ana")
    lab.journal.append([abort], lab.entries[-1].seq)
    lab.controller.tick()
    assert lab.router.statuses[lab.plan.id].split == Split(0, 100)


def test_no_bake_runs_while_the_share_contradicts_the_weight(monkeypatch):
    lab = Lab(GOOD, rate=2000)
    monkeypatch.setattr(lab.router, "share", lambda _plan: 0.02)
    lab.run(40)
    assert lab.state.split.canary == 5
    assert lab.state.traffic_tally.requests > 1000
    assert lab.state.steady_at is None, "the bake has not begun"


class _Unreadable(MemoryRouter):
    """A mesh that takes away the right to read what it shows, each time in other words."""

    is_denied, denials = False, 0

    def read(self, plan, total, before=None):
        if self.is_denied:
            self.denials += 1
            raise RouteError(f"may not get it, request {self.denials}", refused=True)
        return super().read(plan, total, before)


def test_patience_goes_on_while_a_refusal_does():
    router = _Unreadable()
    lab = _climbed(Lab(GOOD, router=router, plan=plan(patience="1m")), 5)
    router.is_denied = True
    lab.run_until(lambda state: state.phase == "paused", 60)
    begun = lab.clock.now()
    lab.run_until(lambda state: state.phase == "reverting", 100)
    assert lab.clock.now() - begun < 66
    assert lab.actions.count("pause") > 1, "each new refusal is a pause"
    assert lab.decisions[-1].reasons == ("patience-over",)
