"""Turn histories into pandas frames, the data behind every chart of the notebook.

Shares are from 0 to 1 and times are seconds since the start of the rollout, if not said otherwise.
pandas is imported on first use, because only the notebook needs it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

from analysis.verdict.readout import Readout
from rollout.decide.text.measurement import beyond
from rollout.plan.fields.metric import DeclaredMetric
from rollout.redact import redact_values
from rollout.review.history import RecordedRollout
from rollout.review.look import GuardrailAtLook, Look

CRASH, MEAN = "crash watch", "mean"
_COUNTS = ("canary", "canary_bad", "stable", "stable_bad")
_BOUNDS = ("estimate", "low", "high", "allowed")


def overview(histories: Iterable[RecordedRollout]) -> Any:
    """Return one row per rollout: versions, outcome, start, duration, looks, decisions.

    The start is a UTC timestamp, the duration (`lasted`) is in seconds.
    """
    columns = "rollout", "stable", "canary", "outcome", "started", "lasted", "looks", "decisions"
    frame = _build_frame(map(_summarise, histories), columns)
    return _convert_times(frame, "started").set_index("rollout")


def _summarise(history: RecordedRollout) -> dict[str, Any]:
    stable, canary = history.state.versions
    return {
        "rollout": history.rollout,
        "stable": stable,
        "canary": canary,
        "outcome": history.state.phase,
        "started": history.state.started_at,
        "lasted": history.lasted,
        "looks": len(history.looks),
        "decisions": len(history.decisions),
    }


def decisions(history: RecordedRollout) -> Any:
    """Return one row per decision, by its id in the journal.

    `share` is the canary's share before the decision, `to` the share that it asks for.
    """
    columns = "id", "at", "seconds", "action", "share", "to", "reasons", "sentence"
    frame = _build_frame(map(_describe_decision, history.decisions), columns)
    return _convert_times(frame, "at").set_index("id")


def _describe_decision(look: Look) -> dict[str, Any]:
    entry, fact = look.decided, look.fact
    if entry is None or fact is None:
        raise ValueError("nothing was decided at this look")
    return {
        "id": entry.seq,
        "at": fact.at,
        "seconds": look.seconds,
        "action": fact.action,
        "share": look.share,
        "to": fact.split.served_share,
        "reasons": ", ".join(fact.reasons),
        "sentence": fact.sentence,
    }


def weights(history: RecordedRollout) -> Any:
    """Return the canary's confirmed share of traffic after each change, and at the end.

    The row for the end lets a step chart draw the last share up to there.
    """
    rows = [{"seconds": weight.seconds, "share": weight.share} for weight in history.weights]
    end = {"seconds": history.lasted, "share": history.weights[-1].share}
    return _build_frame([*rows, end], ("seconds", "share"))


def harm(history: RecordedRollout) -> Any:
    """Return by look the log10 terms of the mean e-process, and log10 of the mean.

    Each guardrail and the crash watch have a term; the mean is what a rollback rests on.
    """
    names = *history.state.guardrails, CRASH, MEAN
    rows = (
        {
            "seconds": look.seconds,
            **{reading.guardrail: reading.log10_harm for reading in look.readings},
            CRASH: look.log10_crash,
            MEAN: look.log10_mean,
        }
        for look in history.looks
    )
    return _build_frame(rows, ("seconds", *names)).astype(float).set_index("seconds")


def proof(history: RecordedRollout) -> Any:
    """Return by look log10 of the evidence that each guardrail is safe; NaN while unknown.

    Safe means within its margin.
    """
    rows = (
        {"seconds": look.seconds, **{r.guardrail: r.log10_proof for r in look.readings}}
        for look in history.looks
    )
    return (
        _build_frame(rows, ("seconds", *history.state.guardrails))
        .astype(float)
        .set_index("seconds")
    )


def interval(history: RecordedRollout, guardrail: str, edge: float | None = None) -> Any:
    """Return the difference of bad shares of one guardrail, by look, where it is known.

    A histogram is read at one edge. Without `edge` that is the edge of the readout at the last
    look, which is furthest from its proof. `words` says what is counted there.
    """
    source = next(g.metric for g in history.state.plan.spec.guardrails if g.name == guardrail)
    of_guardrail = [
        (look, reading)
        for look in history.looks
        for reading in look.readings
        if reading.guardrail == guardrail
    ]
    wanted = of_guardrail[-1][1].readout.edge if edge is None and of_guardrail else edge
    rows = (
        {"seconds": look.seconds, **asdict(readout), "words": _describe_readout(readout, source)}
        for look, reading in of_guardrail
        for readout in reading.edges
        if readout.edge == wanted and readout.estimate is not None
    )
    return _build_frame(rows, ("seconds", *_BOUNDS, *_COUNTS, "words")).set_index("seconds")


def _describe_readout(readout: Readout, metric: DeclaredMetric) -> str:
    if metric.edge is not None:
        return f"share {beyond(metric)}"
    if readout.edge is None:
        return f"share of bad {metric.unit}"
    side = "above" if metric.worse == "high" else "at or below"
    unit = f" {metric.unit}" if metric.is_time else ""
    return f"share {side} {readout.edge:.3g}{unit}"


def readings(history: RecordedRollout) -> Any:
    """Return one row per look and guardrail, with every number of the reading."""
    columns = (
        *("seconds", "share", "guardrail", "verdict", "reason", *_BOUNDS, *_COUNTS, "words"),
        *("edge", "partner", "harm", "log10_harm", "proof", "log10_proof"),
    )
    rows = (_flatten_reading(look, reading) for look in history.looks for reading in look.readings)
    return _build_frame(rows, columns)


def _flatten_reading(look: Look, reading: GuardrailAtLook) -> dict[str, Any]:
    numbers = asdict(reading.readout)
    return {
        "seconds": look.seconds,
        "share": look.share,
        "guardrail": reading.guardrail,
        "verdict": reading.verdict,
        "reason": reading.reason,
        "log10_harm": reading.log10_harm,
        "proof": numbers.pop("safe"),
        "log10_proof": reading.log10_proof,
        **numbers,
    }


def scorecard(history: RecordedRollout) -> Any:
    """Return the last reading of each guardrail: verdict, counts, interval, evidence."""
    last = readings(history).groupby("guardrail", sort=False).tail(1).set_index("guardrail")
    return last[["verdict", "words", *_COUNTS, *_BOUNDS, "harm", "proof"]]


def replay(histories: Iterable[RecordedRollout]) -> Any:
    """Return one row per look: the recorded decision, the replayed one, and the difference."""
    columns = "rollout", "seconds", "id", "recorded", "replayed", "differs"
    rows = (_compare(history.rollout, look) for history in histories for look in history.looks)
    return _build_frame(rows, columns)


def _compare(rollout: str, look: Look) -> dict[str, Any]:
    return {
        "rollout": rollout,
        "seconds": look.seconds,
        "id": look.decided.seq if look.decided else None,
        "recorded": look.fact.action if look.fact else "nothing new",
        "replayed": look.again.action if look.again else "nothing new",
        "differs": ", ".join(look.differs),
    }


def _build_frame(rows: Iterable[Mapping[str, Any]], columns: tuple[str, ...]) -> Any:
    """Build a frame with the given columns, which exist even when there are no rows.

    Passwords of URLs are hidden, because notebooks are saved with what they show.
    """
    import pandas as pd

    return pd.DataFrame([redact_values(row) for row in rows], columns=list(columns))


def _convert_times(frame: Any, column: str) -> Any:
    """Convert a column of unix seconds to UTC timestamps, cut to milliseconds."""
    import pandas as pd

    at = pd.to_datetime(frame[column].astype(float), unit="s", utc=True).dt.floor("ms")
    return frame.assign(**{column: at})
