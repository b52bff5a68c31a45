"""A plan as an analyst hands it over: a file's path, or its document, as `exp.plan` is one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rollout.errors import InputError
from rollout.plan.model.plan import Plan
from rollout.plan.reading.files import load_single
from rollout.plan.reading.load import load

PlanSource = str | Path | Mapping[str, Any]
"""A plan's file, or its document."""


def read_plan(source: PlanSource) -> Plan:
    """Return the one plan of a file or a document.

    Raises PlanError with its mistakes, and InputError for what is neither, or holds no single plan.
    """
    if isinstance(source, str | Path):
        return load_single(source)
    if not isinstance(source, Mapping):
        raise InputError(f"a plan is a file's path or a document, and no {type(source).__name__}")
    try:
        text = json.dumps(dict(source))  # JSON is YAML: the mistakes are those of a file
    except (TypeError, ValueError) as error:
        raise InputError(f"the plan's document cannot be read: {error}") from None
    return load(text, "plan")[0]
