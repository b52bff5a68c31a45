"""Errors of the Kubernetes client as errors of ours, in the API server's own words."""

from __future__ import annotations

from typing import Any

from rollout.answers.json_text import parse_json
from rollout.errors import ClusterError

_LONGEST = 2_000  # characters of a refusal's message


def refusal(error: Any) -> ClusterError:
    """Build the error of an API server that answered (ApiException), with its own message."""
    try:
        message = str(parse_json(error.body or "")["message"])
    except (TypeError, ValueError, KeyError):
        message = str(error.reason)
    # A webhook's words are in it, and they go into entries and statuses.
    message = " ".join(message[: 2 * _LONGEST].split())
    message = message if len(message) <= _LONGEST else f"{message[:_LONGEST]}..."
    return ClusterError(f"the API server said {error.status}: {message}", error.status or 0)


def silence(error: Exception) -> ClusterError:
    """Build the error of an API server that did not answer.

    urllib3 wraps the cause several times; only the innermost says something useful.
    """
    cause: Any = error
    while isinstance(inner := getattr(cause, "reason", None) or cause.__cause__, Exception):
        cause = inner
    message = getattr(cause, "strerror", None) or str(cause) or type(cause).__name__
    return ClusterError(f"the API server does not answer: {message.lower()}")
