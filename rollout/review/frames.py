"""The data behind every chart as pandas frames: shares from 0 to 1, seconds since the start."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

from analysis.verdict.readout import Readout
from rollout.review.history import History
from rollout.review.look import Look, Reading

CRASH, MEAN = "crash watch", "mean"
_COUNTS = ("canary", "canary_bad", "stable", "stable_bad")
_BOUNDS = ("estimate", "low", "high", "allowed")


def overview(histories: Iterable[History]) -> Any:
    """One row per rollout: versions, outcome, start (UTC), seconds it lasted, looks, decisions."""
    columns = "rollout", "stable", "canary", "outcome", "started", "lasted", "looks", "decisions"
    return _times(_frame(map(_run, histories), columns), "started").set_index("rollout")


def _run(history: History) -> dict[str, Any]:
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


def decisions(history: History) -> Any:
    """One row per decision, by its id in the journal; `share` is before it, `to` after it."""
    columns = "id", "at", "seconds", "action", "share", "to", "reasons", "sentence"
    return _times(_frame(map(_decided, history.decisions), columns), "at").set_index("id")


def _decided(look: Look) -> dict[str, Any]:
    entry, fact = look.decided, look.fact
    if entry is None or fact is None:
        raise ValueError("nothing was decided at this look")
    return {
        "id": entry.seq,
        "at": fact.at,
        "seconds": look.seconds,
        "action": fact.action,
        "share": look.share,
        "to": fact.split.answered,
        "reasons": ", ".join(fact.reasons),
        "sentence": fact.sentence,
    }


def weights(history: History) -> Any:
    """The canary's confirmed share of traffic from each change on, and at the end."""
    rows = [{"seconds": weight.seconds, "share": weight.share} for weight in history.weights]
    end = {"seconds": history.lasted, "share": history.weights[-1].share}
    return _frame([*rows, end], ("seconds", "share"))


def harm(history: History) -> Any:
    """By look: log10 of what each guardrail and the crash watch add to the mean, and the mean's."""
    names = *history.state.gauges, CRASH, MEAN
    rows = (
        {
            "seconds": look.seconds,
            **{reading.guardrail: reading.log10_harm for reading in look.readings},
            CRASH: look.log10_crash,
            MEAN: look.log10_mean,
        }
        for look in history.looks
    )
    return _frame(rows, ("seconds", *names)).astype(float).set_index("seconds")


def proof(history: History) -> Any:
    """By look: log10 of the evidence that each guardrail is within its margin; NaN if unknown."""
    rows = (
        {"seconds": look.seconds, **{r.guardrail: r.log10_proof for r in look.readings}}
        for look in history.looks
    )
    return _frame(rows, ("seconds", *history.state.gauges)).astype(float).set_index("seconds")


def interval(history: History, guardrail: str, edge: float | None = None) -> Any:
    """One guardrail's difference of bad shares, by look, where it is known.

    A histogram is shown at one of its edges: without `edge`, at the one that was furthest from its
    proof at the last look. `words` says what is counted there.
    """
    unit = next(g.source.unit for g in history.state.plan.spec.guardrails if g.name == guardrail)
    seen = [(look, r) for look in history.looks for r in look.readings if r.guardrail == guardrail]
    wanted = seen[-1][1].readout.edge if edge is None and seen else edge
    rows = (
        {"seconds": look.seconds, **asdict(readout), "words": _words(readout, unit)}
        for look, reading in seen
        for readout in reading.edges
        if readout.edge == wanted and readout.estimate is not None
    )
    return _frame(rows, ("seconds", *_BOUNDS, *_COUNTS, "words")).set_index("seconds")


def _words(readout: Readout, unit: str) -> str:
    if readout.edge is None:
        return f"share of bad {unit}"
    side, _, _ = readout.words.rpartition(" ")
    return f"{side} {readout.edge:.3g} {unit}".removesuffix(" score")


def readings(history: History) -> Any:
    """Everything that was known: one row per look and guardrail."""
    columns = (
        *("seconds", "share", "guardrail", "verdict", "reason", *_BOUNDS, *_COUNTS, "words"),
        *("edge", "partner", "harm", "log10_harm", "proof", "log10_proof"),
    )
    rows = (_reading(look, reading) for look in history.looks for reading in look.readings)
    return _frame(rows, columns)


def _reading(look: Look, reading: Reading) -> dict[str, Any]:
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


def scorecard(history: History) -> Any:
    """The last word on each guardrail: verdict, what is bad, counts, interval, evidence."""
    last = readings(history).groupby("guardrail", sort=False).tail(1).set_index("guardrail")
    return last[["verdict", "words", *_COUNTS, *_BOUNDS, "harm", "proof"]]


def replay(histories: Iterable[History]) -> Any:
    """Every look decided again: what the journal holds, what came out, and where they differ."""
    columns = "rollout", "seconds", "id", "recorded", "replayed", "differs"
    rows = (_replayed(one.rollout, look) for one in histories for look in one.looks)
    return _frame(rows, columns)


def _replayed(rollout: str, look: Look) -> dict[str, Any]:
    return {
        "rollout": rollout,
        "seconds": look.seconds,
        "id": look.decided.seq if look.decided else None,
        "recorded": look.fact.action if look.fact else "nothing new",
        "replayed": look.again.action if look.again else "nothing new",
        "differs": ", ".join(look.differs),
    }


def _frame(rows: Iterable[Mapping[str, Any]], columns: tuple[str, ...]) -> Any:
    """Rows in the given columns, which are there without rows too."""
    import pandas as pd

    return pd.DataFrame(list(rows), columns=list(columns))


def _times(frame: Any, column: str) -> Any:
    import pandas as pd

    at = pd.to_datetime(frame[column].astype(float), unit="s", utc=True).dt.floor("ms")
    return frame.assign(**{column: at})
