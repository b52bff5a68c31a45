"""What to do about each set-up that misleads."""

from __future__ import annotations

from analysis.counting.layout import DIFFER
from analysis.counting.walk import CHANGING
from rollout.observe.survey import Survey

ONE_SCRAPE = (
    "scrape it once: remove one of the two scrape configurations, or name one of them in "
    "`labels: {where: ...}`"
)
TWICE = "one process seems to be scraped twice, as the counts agree"
ONE_PROCESS = (
    "let one process answer at an address: scrape each worker or pod by itself, with its own "
    "`instance` or pod label, or let the workers add up their counters"
)
NO_COUNTER = (
    "name a counter: a gauge, or the counts of an interval (delta temporality), are none; or "
    + ONE_PROCESS
)
POD_LABEL = "let the collector keep the label that names the pod, or scrape the pods themselves"
LABEL = (
    "export the label with every unit, or leave out by `where` what has none: up to 5 % count "
    "against the canary for a promotion, and more blind the guardrail"
)
START = (
    "export `process_start_time_seconds` or created timestamps, or scrape each target before its "
    "first request"
)
MEMBERS = (
    "judge the series of the processes themselves, which the sum is made of: a member that is lost "
    "and comes back falls and rises with all that it ever counted"
)
NAMES = (
    "keep the labels of a series as they are, at every scrape: no relabelling may change them "
    "during a rollout"
)
KEEP = (
    "let the exporter keep its series as long as its process runs: without a time to live, and "
    "without the eviction of idle ones"
)
BEGAN = (
    "nothing, where a proxy's clusters were updated or a process that shows no start time began "
    "again; else let the exporter keep its counters as long as its process runs"
)
OWN_START = (
    "scrape the application at its own port, or let it export created timestamps, so that its "
    "restarts are known"
)
LAYOUTS = "give both versions the same buckets, or wait until only one layout is exported"
_CURES = {
    "selectors of both versions": "make the two selectors of `arms` exclude each other",
    "both versions return": "set `labels: {version: ...}` to the label that tells them apart",
    DIFFER: LAYOUTS,
    " ends at ": "judge at an edge that both versions have, or export a bucket that ends there",
    "under a new name": NAMES,
    " is new": START,
    CHANGING: MEMBERS,
    "one of its members is lost": MEMBERS,
    "that may have been lost": MEMBERS,
    " fell ": ONE_PROCESS,
    " keeps jumping": ONE_PROCESS,
    "not a whole number": (
        "name a counter of units: of what comes in fractions, such as money, make a `ratio` with "
        "a `step`, or a smaller one"
    ),
    "more units are bad": "`bad` must count a part of what `total` counts, at the same targets",
    "it is no histogram": "declare it as a `counter`, or name the histogram",
    "no +Inf bucket": "export it, as clients do, and let no relabelling drop it",
    "edge of a bucket": "`le` must be a number: mend the exporter, or what relabels it",
    "have the same labels": (
        "keep the label that tells them apart: two spellings of one edge, or two series that "
        "relabelling made equal, show different counts"
    ),
    "came back, and": NAMES,
    "NaN or beyond": "mend the scorer: its scores belong on one scale that the buckets cover",
}
_OTHERWISE = "see docs/metrics.md for what the series must look like"


def choose_cure(text: str, result: Survey) -> str:
    """Return what to do about a problem of a look, or about what it did not count."""
    series = result.raw.series if result.raw else ()
    if " fell " in text and series and all(entry.is_sum for entry in series):
        return MEMBERS
    return next((cure for words, cure in _CURES.items() if words in text), _OTHERWISE)
