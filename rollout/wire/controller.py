"""Opens the controller that decides on a journal, and appends facts from other processes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from typing import TYPE_CHECKING

from rollout.build import read_build
from rollout.errors import InputError, JournalMovedError
from rollout.journal.location import JournalLocation
from rollout.observe.access.settings import NO_SETTINGS, PrometheusSettings
from rollout.plan.model.terms import FULL, Authority
from rollout.ports import Ports
from rollout.reach import Reach
from rollout.tick.controller import Controller
from rollout.tick.fleet import Fleet, fleet_of
from rollout.wire import clock, meshes
from rollout.wire.prometheus import open_prometheus

if TYPE_CHECKING:
    from pathlib import Path

    from rollout.decide.record.facts import Fact
    from rollout.journal.sql.store import SqlJournal
    from rollout.plan.model.plan import Plan
    from rollout.ports import Entry

_RETRIES = 20  # a controller appends a few times per look; one of our attempts falls in between


@contextmanager
def open_controller(
    journal: JournalLocation,
    context: str | None = None,
    fence: Callable[[], None] = lambda: None,
    on_problem: Callable[[str], None] = lambda _problem: None,
    *,
    instead: bool = False,
    watches: bool = False,
    key_file: Path | None = None,
    settings: PrometheusSettings = NO_SETTINGS,
    reach: Reach | None = None,
    authority: Authority = FULL,
) -> Iterator[Controller]:
    """Open the only controller of this journal; `context` is the kubeconfig's.

    Each write of a weight first calls `fence` and checks that we still hold the journal. With
    `instead` the lock is taken from another controller that holds it. With `watches` ended rollouts
    are looked at for a while. `on_problem` is told what went wrong in one rollout alone. `key_file`
    holds the key of the digests in the journal, `reach` limits what plans may name,
    `authority` what is ours to do in each.

    A key that cannot be used is told; what the journal has open is carried out without it, and no
    plan taken up. Raises JournalBusyError, JournalError, InputError for mistakes in the access
    file, and for such a key where nothing is open.
    """
    from rollout.journal.sql.store import open_journal
    from rollout.webhook import WebHooks

    _ = settings.accesses  # its mistakes come before a new journal is made
    store, reach = open_journal(journal), reach or Reach()

    def check_still_decides() -> None:
        fence()
        store.check_held()

    with closing(store), store.lock(instead=instead), ExitStack() as stack:
        router = meshes.router(context, stack, check_still_decides)
        hooks = WebHooks(clock.timer, reach.check_hook)
        key, lacking = _find_key(store, journal, key_file)
        if lacking is not None:
            on_problem(f"{lacking}; until then no plan is taken up, and each series counts anew")

        def check_plan(plan: Plan) -> None:
            if lacking is not None:
                raise lacking
            reach.check_plan(plan)

        permit = reach.check_prometheus
        observer = open_prometheus(settings, key=key, permit=permit, in_past=False)
        ports = Ports(observer, router, store, clock.SystemClock(), hooks)
        yield Controller(
            ports,
            read_build(),
            fleet=Fleet(watches=watches),
            permit=check_plan,
            on_problem=on_problem,
            prometheus=settings.default,
            authority=authority,
        )


def _find_key(
    store: SqlJournal, journal: JournalLocation, key_file: Path | None
) -> tuple[bytes | None, InputError | None]:
    """Return the key of the digests; or what is wrong with it, where rollouts are open.

    Raises InputError where none is.
    """
    from rollout.journal.key_file import open_key

    try:
        return open_key(journal, key_file), None
    except InputError as error:
        if not fleet_of(store).active:
            raise
        return None, error


def record(journal: JournalLocation, fact: Fact) -> Entry:
    """Append a fact while another process may write; create the journal if it does not exist.

    Raises JournalMovedError if another writer was faster at every attempt, JournalError.
    """
    from rollout.journal.scan import new_entries
    from rollout.journal.sql.store import open_journal

    with closing(open_journal(journal)) as store:
        last = 0
        for _ in range(_RETRIES):
            _, last = new_entries(store, last)
            try:
                return store.append([fact], after=last)[0]
            except JournalMovedError:
                continue
    raise JournalMovedError("the journal keeps moving; nothing was recorded, try again")
