"""Defines every error that a user may see, and the exit code for each."""

from __future__ import annotations

from dataclasses import dataclass

from rollout.redact import redact

DONE, FAILED, BAD_INPUT, NOT_FOLLOWED = 0, 1, 2, 3
STOPPED, ASK_AGAIN = 4, 75  # of `surefoot verdict`; 75 is EX_TEMPFAIL of sysexits.h
DECIDED_OTHERWISE = 9  # 4 to 8 are those of `surefoot wait`
TIMED_OUT = 124  # as timeout(1) reports it
INTERRUPTED = 130  # 128 + SIGINT, as shells report it


class SurefootError(Exception):
    """Base of all expected errors: the user sees the message and no traceback.

    Messages quote addresses and words from outside, and are recorded, published and printed: no
    password and no control character stays in them.
    """

    exit_code = FAILED

    def __init__(self, message: str = "") -> None:
        super().__init__(redact(str(message)))


@dataclass(frozen=True, order=True)
class Mistake:
    """One mistake in a plan file, printed as `file:line:col code message`, counted from 1."""

    file: str
    line: int
    column: int
    code: str
    message: str
    hint: str = ""

    def __str__(self) -> str:
        hint = f" ({self.hint})" if self.hint else ""
        return f"{self.file}:{self.line}:{self.column} {self.code} {self.message}{hint}"


class PlanError(SurefootError):
    """A plan that cannot be used; it holds every mistake, in file order."""

    exit_code = BAD_INPUT

    def __init__(self, mistakes: list[Mistake]) -> None:
        self.mistakes = sorted(mistakes)
        super().__init__("\n".join(map(str, self.mistakes)))


class InputError(SurefootError):
    """A name, an option or a file that a command cannot use."""

    exit_code = BAD_INPUT


class JournalError(SurefootError):
    """The journal cannot be read, written or trusted."""


class FactError(JournalError):
    """A fact that no journal can hold: NaN, or half of a character."""


class ReplayError(JournalError, ValueError):
    """An entry that can be read but not replayed: what it says does not fit what came before."""


class JournalBusyError(JournalError):
    """Another controller holds the journal."""


class StaleError(JournalBusyError):
    """This controller no longer decides, so its write is refused."""

    def __init__(self, message: str, rollout: str = "") -> None:
        self.rollout = rollout
        super().__init__(message)


class JournalMovedError(JournalError):
    """Another writer appended first: read the new facts and decide again."""


class RouteError(SurefootError):
    """The mesh could not be read or did not accept a split; the message quotes its answer.

    `refused`: a retry alone will not help, because a permission or an object is missing or an
    admission webhook denies the write. `absent`: the object does not exist. `unread`: the mesh
    could not be read, so somebody may have changed it meanwhile without our noticing.
    `gives_nothing`: whatever is wrong, nothing there leads to the canary. `most`: the largest share
    (0 to 1) that a route gives the canary, where all that is wrong is that the shares differ.
    `overtaken`: nothing was written, because somebody else wrote between our read and our write.
    """

    def __init__(
        self,
        message: str,
        *,
        refused: bool = False,
        absent: bool = False,
        unread: bool = False,
        gives_nothing: bool = False,
        most: float = 0.0,
        overtaken: bool = False,
    ) -> None:
        self.refused, self.absent, self.unread = refused, absent, unread
        self.gives_nothing, self.most, self.overtaken = gives_nothing, most, overtaken
        super().__init__(message)


class AddressError(InputError):
    """An address, or a file, that no plan may reach here; nothing was sent to it."""


class ObserveError(SurefootError):
    """Prometheus could not be queried, or its answer could not be used; `cure` says what helps."""

    def __init__(self, message: str = "", cure: str = "") -> None:
        self.cure = cure
        super().__init__(message)

    @property
    def advice(self) -> str:
        """The message with its cure, if there is one."""
        return f"{self}; {self.cure}" if self.cure else str(self)


class QueryRefusedError(ObserveError):
    """The server answered with another status than 200."""

    def __init__(self, message: str, cure: str, code: int) -> None:
        self.code = code
        super().__init__(message, cure)


class ClusterError(SurefootError):
    """The Kubernetes API server did not answer (status 0) or refused; the message says why."""

    def __init__(self, message: str, status: int = 0) -> None:
        self.status = status
        super().__init__(message)
