"""Plugs in Prometheus with the accesses of an installation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rollout.observe.access.settings import NO_SETTINGS, PrometheusSettings

if TYPE_CHECKING:
    from rollout.answers.guarded import Permit
    from rollout.observe.prometheus import PrometheusObserver


def open_prometheus(
    settings: PrometheusSettings = NO_SETTINGS,
    timeout: float = 5.0,
    key: bytes | None = None,
    permit: Permit = lambda _url: None,
    *,
    in_past: bool = True,
) -> PrometheusObserver:
    """Return a reader of every Prometheus; `timeout` in seconds, `key` of the journal's digests.

    `in_past`: looks may be of other times than now, which a controller's never are. `permit` raises
    AddressError for an address that may not be asked here. Raises InputError for
    mistakes in the access file.
    """
    from rollout.observe.prometheus import PrometheusObserver

    return PrometheusObserver(timeout, settings.accesses, key, permit=permit, in_past=in_past)
