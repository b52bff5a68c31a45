"""Before the first write nothing is written unless the mesh was read at stable."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from rollout.decide.fold import fold_all
from rollout.decide.record.facts import HumanSaid
from rollout.decide.record.route_facts import RouteRead
from rollout.decide.record.split import Split
from rollout.decide.rules import first_write
from rollout.decide.rules.view import view
from rollout.errors import RouteError
from rollout.ports import RouteStatus
from rollout.simulate import MemoryRouter
from tests.support.examples import draw_up_to
from tests.support.worlds import Lab, plan

SPLITS = st.sampled_from([Split(0), Split(1), Split(5), Split(50), Split(99), Split(100)])
MARKS = st.sampled_from(["", "theirs", "other-1a2b3c4d/7"])
FAULTS = st.sampled_from(["", "unread", "refused", "absent"])
COMMANDS = st.sampled_from([None, None, None, "promote", "pause", "resume", "abort"])


@dataclass
class WitnessRouter(MemoryRouter):
    """A mesh with faults that remembers what it showed last, and what each write came upon."""

    fault: str = ""
    last_status: RouteStatus | None = None
    overwritten: list[tuple[Split | None, Split]] = field(default_factory=list)

    def read(self, plan, total, before=None):
        self.last_status = None
        if self.fault:
            raise RouteError("no", **{self.fault: True})
        self.last_status = super().read(plan, total, before)
        return self.last_status

    def write(self, plan, split, write_id, before=None, *, is_last=False):
        live = self.statuses.get(plan.id, RouteStatus(Split(0), "")).split
        assert self.overwritten or self.last_status is not None, "nobody had read the mesh"
        self.overwritten.append((live, split))
        if self.fault:
            raise RouteError("no", refused=True)
        super().write(plan, split, write_id, before, is_last=is_last)


@st.composite
def histories(draw: st.DrawFn) -> list[tuple[Any, ...]]:
    """What happens to the mesh before each of some looks, and what people ask for."""
    step = st.tuples(st.none() | SPLITS, MARKS, FAULTS, COMMANDS)
    return draw(st.lists(step, max_size=8))


@draw_up_to(60)
@given(
    histories(),
    st.sampled_from(["pause", "revert", "adopt"]),
    st.sampled_from(["pause", "rollback", "promote"]),
    st.sampled_from([True, False, None]),
)
def test_first_write_comes_upon_stable_or_what_it_wants(history, drift, late, endpoints):
    router = WitnessRouter(has_endpoints=endpoints)
    lab = Lab(plan=plan(onDrift=drift, whenInconclusive=late, deadline="40s"), router=router)
    for split, mark, fault, command in history:
        router.fault = fault
        if split is not None and not router.overwritten:
            router.statuses[lab.plan.id] = RouteStatus(split, mark)
        if command is not None and not lab.state.is_terminal:
            at = lab.clock.now()
            command_fact = HumanSaid(rollout=lab.plan.id, at=at, command=command, actor="ada")
            lab.controller.note(command_fact)
        lab.run(6)
    router.fault = ""
    lab.run(20)
    if router.overwritten:
        live, wanted = router.overwritten[0]
        assert live in {Split(0), wanted}
    if endpoints is False:
        assert not [decided for decided in lab.decisions if decided.action == "advance"]
    assert fold_all((entry.seq, entry.fact) for entry in lab.entries).wanted == lab.state.wanted


@settings(max_examples=30, deadline=None)
@given(SPLITS.filter(lambda split: split.canary > 0), MARKS)
def test_rollback_of_what_was_never_written_writes_nothing_and_ends(split, mark):
    lab = Lab(plan=plan())
    lab.router.statuses[lab.plan.id] = RouteStatus(split, mark)
    lab.run(4)
    command_fact = HumanSaid(rollout=lab.plan.id, at=lab.clock.now(), command="abort", actor="ada")
    lab.controller.note(command_fact)
    lab.run(4)
    assert lab.state.phase == "rolled back"
    assert (lab.router.writes, lab.router.read(lab.plan, 100).split) == ([], split)


@given(SPLITS, st.booleans(), st.sampled_from([True, False, None]))
def test_journal_without_reads_is_decided_as_it_was(split, is_absent, endpoints):
    """The rules hold nothing back where no `RouteRead` was recorded."""
    lab = Lab(plan=plan())
    state = lab.state
    assert state.route_read is None
    rules = [*first_write.OBSTACLES, first_write.awaiting_endpoints, first_write.reported]
    assert [rule(view(state, 0.0)) for rule in rules] == [None] * 4
    read = RouteRead(rollout="r", at=0.0, split=split, absent=is_absent, has_endpoints=endpoints)
    now = view(replace(state, route_read=read), 0.0)
    assert bool(first_write.not_at_stable(now)) == bool(split.canary)
    assert bool(first_write.awaiting_endpoints(now)) == (endpoints is False)
