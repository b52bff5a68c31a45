"""What an installation says of Prometheus: its accesses, and its default server."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from rollout.errors import InputError, ObserveError

if TYPE_CHECKING:
    from rollout.observe.access.credentials import Accesses
    from rollout.plan.model.plan import Plan
    from rollout.plan.model.prometheus import PrometheusServer


@dataclass(frozen=True)
class PrometheusSettings:
    """The access file, and the server of plans that name none."""

    access_file: Path | None = None
    default: PrometheusServer | None = None

    @cached_property
    def accesses(self) -> Accesses:
        """All accesses of the file; none without one.

        Raises InputError for mistakes in it, and where the default server's is not in it.
        """
        from rollout.observe.access.credentials import Accesses

        accesses = Accesses.load(self.access_file) if self.access_file else Accesses()
        try:
            if self.default is not None:
                accesses.resolve(self.default)
        except ObserveError as error:
            raise InputError(f"--prometheus: {error.advice}") from None
        return accesses

    def apply(self, plans: Sequence[Plan]) -> list[Plan]:
        """Return plans as a controller with these settings reads them."""
        return [plan.reading_by_default(self.default) for plan in plans]


NO_SETTINGS = PrometheusSettings()
