"""Sends hook calls over HTTP, each in its own thread, so that no tick waits."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from rollout.errors import AddressError
from rollout.ports import HookCall, HookReply

if TYPE_CHECKING:
    from rollout.answers.guarded import Permit

_GRACE = 1.0  # seconds after its timeout when a call is given up


class WebHooks:
    """Implements the Hooks port. `timer` is a monotonic clock in seconds."""

    def __init__(self, timer: Callable[[], float], permit: Permit = lambda _url: None) -> None:
        self._timer, self._permit = timer, permit
        self._lock = threading.Lock()
        self._give_up_at: dict[str, float] = {}  # calls without a reply, by key
        self._replies: list[HookReply] = []

    def call(self, call: HookCall) -> None:
        """See rollout.ports.Hooks."""
        with self._lock:
            self._give_up_at[call.key] = self._timer() + call.timeout + _GRACE
        threading.Thread(target=self._run, args=(call,), name="hook", daemon=True).start()

    def replies(self) -> Sequence[HookReply]:
        """See rollout.ports.Hooks.

        Calls are also given up here, because nothing bounds how long a name is looked up.
        """
        now = self._timer()
        with self._lock:
            late = [key for key, limit in self._give_up_at.items() if now >= limit]
            for key in late:
                del self._give_up_at[key]
            replies = [*self._replies, *(HookReply(key, "no answer in time") for key in late)]
            self._replies = []
        return replies

    def _run(self, call: HookCall) -> None:
        try:
            problem = _post(call, self._permit)
        except AddressError as error:
            problem = str(error)
        except Exception as error:  # noqa: BLE001 - any error is this call's failure
            problem = type(error).__name__
        with self._lock:
            # A call that was given up has its reply already.
            if self._give_up_at.pop(call.key, None) is not None:
                self._replies.append(HookReply(call.key, problem))


def _post(call: HookCall, permit: Permit) -> str:
    """Send a call and return what went wrong; empty if nothing did.

    The text names at most the host: the rest of an address may hold a secret. Raises AddressError.
    """
    import requests  # imported late: it takes 0.1 s

    from rollout.answers.guarded import guard
    from rollout.answers.http import Limits, UnledSession

    with UnledSession() as session:
        session.trust_env = False  # no passwords from ~/.netrc, no proxies from the environment
        guard(session, Limits(seconds=call.timeout), permit)
        try:
            with session.post(
                call.url,
                json=dict(call.body),
                headers={"Idempotency-Key": call.key, "User-Agent": "surefoot"},
                timeout=call.timeout,
                stream=True,  # the body of the answer is not read
            ) as answer:
                return "" if 200 <= answer.status_code < 300 else f"HTTP {answer.status_code}"
        except requests.Timeout:
            return f"no answer within {call.timeout:g}s"
        except requests.ConnectionError:
            return f"{urlsplit(call.url).hostname} is not reachable"
