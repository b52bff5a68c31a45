"""Reconciles RolloutPlan resources with the journal, one tick at a time.

How it works: a resource is what the user wants, the journal is what happened. A tick first runs
the controller (observe, decide, route), then aborts rollouts whose resource was deleted, then
starts or explains each resource, and finally posts the statuses that changed. Nothing here calls
the cluster: resources come from a cache, statuses go to an outbox, and `deletions` asks about what
the cache lacks, so a slow API server never delays a rollback.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from functools import partial

from rollout.decide.record.facts import HumanSaid
from rollout.decide.rules.calibration import WAIVER
from rollout.errors import InputError
from rollout.kube.kinds import Json
from rollout.operate.annotations import ACTOR, facts_for_annotation, requested_command
from rollout.operate.deletions import Deletions
from rollout.operate.plan_cache import Declared, ParseResult, PlanCache, Resources
from rollout.operate.status.conditions import PlanAcceptance
from rollout.operate.status.history import RolloutHistory
from rollout.operate.status.outbox import StatusOutbox
from rollout.operate.status.status import RolloutStory
from rollout.operate.status.sync import StatusSync
from rollout.operate.triggers.trigger import Triggers
from rollout.plan.kube.resource import name_of
from rollout.ports import Entry
from rollout.tick.attempts import EndpointCheck
from rollout.tick.bulkheads import Bulkheads
from rollout.tick.controller import Controller


@dataclass
class Reconciler:
    """Carries out the plans of one namespace, or of all, with one controller.

    An edit starts a rollout of its own once the one in progress has ended; deleting a resource
    aborts its rollout.
    """

    controller: Controller
    plans: Resources
    board: StatusOutbox
    namespace: str | None = None
    on_entry: Callable[[Entry], None] = lambda _entry: None
    triggers: Triggers | None = None
    deletions: Deletions = field(default_factory=Deletions)
    _plan_cache: PlanCache = field(default_factory=PlanCache)
    _history: RolloutHistory = field(init=False)
    # The last refusal to start, by resource: what was tried, and the reason.
    _refused: dict[str, tuple[tuple[str, int, bool], str]] = field(default_factory=dict)

    _old_version: EndpointCheck = field(init=False)

    def __post_init__(self) -> None:
        ports = self.controller.ports
        self._old_version = EndpointCheck(
            lambda plan: ports.router.endpoints(plan, "stable"), ports.clock.now
        )
        self._history = RolloutHistory(self.controller.states)
        self.controller.on_entry = self._note
        self._bulkheads = Bulkheads(self.controller.on_problem)
        self._status_sync = StatusSync(self.board, self._history, self.controller)

    def tick(self) -> None:
        """Run the controller, reconcile every resource, and post what changed."""
        self.controller.tick()  # before all else: a rollback must not wait for resources
        listed = self.plans.list()
        if listed is None:  # unknown, which is not empty: an empty list would abort every rollout
            return
        resources = {name_of(item): item for item in listed if not _is_being_deleted(item)}
        self._abort_orphans(resources, {name_of(item) for item in listed} - resources.keys())
        now = self.controller.ports.clock.now()
        for name, resource in resources.items():
            self._bulkheads.run(name, partial(self._reconcile, name, resource, now))
        self._forget_all_but(resources)
        if self.triggers is not None:
            present = {name_of(item) for item in listed}
            self.triggers.consider(
                lambda name: self._is_known(name, present), self.controller.fleet, self._bulkheads
            )

    def _reconcile(self, name: str, resource: Json, now: float) -> None:
        self._status_sync.show(name, resource, self._accept(name, resource), now)

    def _is_known(self, name: str, present: Collection[str]) -> bool:
        """Tell whether a plan of this name exists or ever ran.

        A trigger does not create a plan again that a user deleted.
        """
        return name in present or self._history.story(name) is not None

    def _note(self, entry: Entry) -> None:
        self._history.note(entry)
        self.on_entry(entry)

    def _abort_orphans(self, resources: Mapping[str, Json], ending: Collection[str]) -> None:
        """Record an abort for each rollout whose resource is gone, or is `ending`.

        If another writer appended first, the rest waits for the next tick: what we know is stale.
        """
        orphans = [
            (name, story)
            for name, story in self._history.under_way()
            if name not in resources and self._is_in_namespace(name) and not _goes_back(story)
        ]
        self.deletions.keep({name for name, _ in orphans} - set(ending))
        for name, story in orphans:
            if name not in ending and not self.deletions.is_gone(name):
                continue
            abort = HumanSaid(
                rollout=story.rollout,
                at=self.controller.ports.clock.now(),
                command="abort",
                actor=ACTOR,
                reason=f"the RolloutPlan {name} was deleted",
            )
            if not self.controller.offer([abort]):
                return

    def _is_in_namespace(self, name: str) -> bool:
        # Plans of other namespaces are not listed here, so their absence means nothing.
        return self.namespace is None or name.startswith(f"{self.namespace}/")

    def _accept(self, name: str, resource: Json) -> PlanAcceptance:
        """Start the plan that the resource declares, or return the reason why not."""
        declared = self._plan_cache.read(resource)
        mistakes = self._find_mistakes(declared)
        if mistakes or not isinstance(declared, Declared):
            return PlanAcceptance("Invalid", mistakes)
        story = self._history.story(name)
        own = self.controller.fleet.attempt_of(declared.rollout)
        running = story.rollout if story and not story.state.is_terminal else own
        if own in self.controller.states:
            if running != own:
                return _explain_ended(own, running)
            return self._record_annotation(name, resource, own)
        if running != own:
            return PlanAcceptance(plan=own, pending=own, running=running)
        shown_rollout = (resource.get("status") or {}).get("rollout")
        if shown_rollout and story is None:
            return _explain_missing_journal(shown_rollout, own)
        waived = bool((resource["metadata"].get("annotations") or {}).get(WAIVER))
        problem = self._start(name, declared, waived=waived)
        return PlanAcceptance("Refused", (problem,), own) if problem else PlanAcceptance(plan=own)

    def _find_mistakes(self, declared: ParseResult) -> tuple[str, ...]:
        """Return what is wrong with a plan; rules that are newer than its rollout are not."""
        if not isinstance(declared, Declared):
            return declared
        own = self.controller.fleet.attempt_of(declared.rollout)
        return () if own in self.controller.states else declared.mistakes

    def _record_annotation(self, name: str, resource: Json, own: str) -> PlanAcceptance:
        """Record the command that an annotation asks for, if any.

        If another writer appended first, the command is tried again at the next tick.
        """
        word = requested_command(resource, self._history.words(name))
        if word is None:
            return PlanAcceptance(plan=own)
        controller = self.controller
        at, version = controller.ports.clock.now(), controller.version
        try:
            facts = facts_for_annotation(
                controller.fleet, own, word, at=at, controller=version, check=self._old_version
            )
        except InputError as error:
            return PlanAcceptance("Refused", (f"{word[0]}: {error}",), own)
        # A retry's last fact starts the new attempt, which the resource shows from now on.
        return PlanAcceptance(plan=facts[-1].rollout if controller.offer(facts) else own)

    def _start(self, name: str, declared: Declared, *, waived: bool) -> str:
        """Start a plan; return the reason if it cannot start, else an empty text."""
        # The answer depends on nothing but these three, so a refusal holds until one changes.
        attempt = (declared.rollout, self.controller.head, waived)
        refused_attempt, reason = self._refused.get(name, (None, ""))
        if refused_attempt == attempt:
            return reason
        try:
            self.controller.start([declared.plan], uncalibrated=waived)
        except InputError as error:
            self._refused[name] = (attempt, str(error))
            return str(error)
        self._refused.pop(name, None)
        return ""

    def _forget_all_but(self, resources: Mapping[str, Json]) -> None:
        self._history.drop_new_entries()
        self._plan_cache.keep(resources)
        self._status_sync.keep(resources)
        for name in self._refused.keys() - resources.keys():
            del self._refused[name]


def _goes_back(story: RolloutStory) -> bool:
    """Tell whether a rollout's traffic goes back to stable anyway.

    A promoted rollout is under way only while an undo of it is asked for.
    """
    state = story.state
    aborting = state.asked is not None and state.asked.command == "abort"
    return aborting or state.is_going_back or state.phase == "promoted"


def _explain_ended(own: str, running: str) -> PlanAcceptance:
    """Refuse an edit back to a plan whose rollout has ended while another is in progress."""
    message = (
        f"{own} has ended and does not start again; {running} is in progress: abort it to end it"
    )
    return PlanAcceptance("Ended", (message,), own)


def _explain_missing_journal(shown_rollout: str, own: str) -> PlanAcceptance:
    """Refuse a plan whose status shows a rollout that the journal does not contain.

    The journal was lost or replaced. A rollout started now might undo the traffic of the lost one.
    """
    message = (
        f"the status tells of {shown_rollout}, but this journal does not know it: restore the "
        "journal, or delete the plan and apply it anew"
    )
    return PlanAcceptance("Forgotten", (message,), own)


def _is_being_deleted(resource: Json) -> bool:
    """Tell whether the resource was deleted and only finalizers keep it."""
    return bool(resource["metadata"].get("deletionTimestamp"))
