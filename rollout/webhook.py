"""The hooks' door to HTTP: each call in a thread of its own, bounded in time, never waited for."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from urllib.parse import urlsplit

from rollout.ports import HookCall, HookReply

_GRACE = 1.0  # seconds beyond its timeout after which a call is given up


class WebHooks:
    """The Hooks port. `timer` gives seconds that never go back."""

    def __init__(self, timer: Callable[[], float]) -> None:
        self._timer = timer
        self._lock = threading.Lock()
        self._until: dict[str, float] = {}
        self._replies: list[HookReply] = []

    def call(self, call: HookCall) -> None:
        """See rollout.ports.Hooks."""
        with self._lock:
            self._until[call.key] = self._timer() + call.timeout + _GRACE
        threading.Thread(target=self._run, args=(call,), name="hook", daemon=True).start()

    def replies(self) -> Sequence[HookReply]:
        """See rollout.ports.Hooks; a server that drips its answer is given up, too."""
        now = self._timer()
        with self._lock:
            late = [key for key, until in self._until.items() if now >= until]
            for key in late:
                del self._until[key]
            found = [*self._replies, *(HookReply(key, "no answer in time") for key in late)]
            self._replies = []
        return found

    def _run(self, call: HookCall) -> None:
        try:
            problem = _post(call)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is this call's failure
            problem = type(error).__name__
        with self._lock:
            if self._until.pop(call.key, None) is not None:
                self._replies.append(HookReply(call.key, problem))


def _post(call: HookCall) -> str:
    """What went wrong, in words that hold nothing of the address but its host."""
    import requests  # 0.1 s, only where it is used

    with requests.Session() as session:
        session.trust_env = False  # no passwords from ~/.netrc, no proxies of the environment
        try:
            with session.post(
                call.url,
                json=dict(call.body),
                headers={"Idempotency-Key": call.key, "User-Agent": "surefoot"},
                timeout=call.timeout,
                allow_redirects=False,
                stream=True,  # nobody reads the answer's body
            ) as answer:
                return "" if 200 <= answer.status_code < 300 else f"HTTP {answer.status_code}"
        except requests.Timeout:
            return f"no answer within {call.timeout:g}s"
        except requests.ConnectionError:
            return f"{urlsplit(call.url).hostname} cannot be reached"
