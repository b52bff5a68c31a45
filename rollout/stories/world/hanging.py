"""Servers of other rollouts that hang: they answer nothing, or a byte now and then.

Each of these rollouts has a Prometheus and an Envoy of its own. What hangs costs the process that
asks it the time which the production transport waits, and then an error. Prometheus servers are
asked at the same time in production; here their waiting passes at once, as long as the longest.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from rollout.stories.setting import NEIGHBOURS

HANGS = {"servers": 5.0, "servers-drip": 10.0, "meshes": 2.0, "meshes-drip": 4.0}
"""What hangs or sends a byte now and then, and the seconds until it is given up.

See `rollout.observe.client.LIMITS` and `rollout.route.envoy.admin`.
"""


@dataclass
class HangingServers:
    """What hangs of the other rollouts' servers; `until` has the true time by words of HANGS."""

    now: Callable[[], float]
    until: dict[str, float] = field(default_factory=dict)
    since: float | None = None  # when something began to hang last
    silent_since: float | None = None  # when the Prometheus servers did first

    def begin(self, what: str, seconds: float) -> None:
        """Let all servers of a kind hang for a while."""
        self.until[what], self.since = self.now() + seconds, self.now()
        if what.startswith("servers") and self.silent_since is None:
            self.silent_since = self.now()

    def find_wait(self, kind: str, service: str) -> float:
        """Return the seconds that a request waits for nothing; 0 where it is answered."""
        if service not in NEIGHBOURS:
            return 0.0
        words = (kind, f"{kind}-drip")
        return max((HANGS[w] for w in words if self.now() < self.until.get(w, 0.0)), default=0.0)


@dataclass
class GroupedWaiting:
    """The waiting of one look: for servers that are asked at the same time, it is the longest.

    `sleep` lets the true time pass.
    """

    now: Callable[[], float]
    sleep: Callable[[float], None]
    _waited: float | None = None  # seconds, of the group that is asked; None: nobody else is
    _longest: float = 0.0

    def read(self) -> float:
        """Return the time as the group that is asked knows it."""
        return self.now() + (self._waited or 0.0)

    def wait(self, seconds: float) -> None:
        """Wait for a server."""
        if self._waited is None:
            self.sleep(seconds)
        else:
            self._waited += seconds

    def begin_group(self) -> None:
        """Begin to ask one of several servers, all at the same time."""
        self._longest = max(self._longest, self._waited or 0.0)
        self._waited = 0.0

    def end(self) -> None:
        """Let the time pass that the slowest of them took."""
        self.begin_group()
        longest, self._waited, self._longest = self._longest, None, 0.0
        if longest:
            self.sleep(longest)
