"""What a written past tells: counters and buckets with births, restarts and missed scrapes."""

from __future__ import annotations

from tests.live.prom import labels

START, SCRAPE, LENGTH = 1_700_000_000.0, 2.0, 60
LAST = SCRAPE * LENGTH
EDGES = ("5", "10", "+Inf")
TARGET = "10.0.0.1:9901"  # without it nothing tells a restart from a sum that lost a member


def counter(version, code, counts, born=0, missed=()):
    text = labels(version, instance=TARGET, envoy_response_code=code)
    times = [START + SCRAPE * (born + i) for i in range(len(counts))]
    pairs = zip(times, counts, strict=True)
    return [(text, at, n) for i, (at, n) in enumerate(pairs) if i not in missed]


def story():
    """Two minutes: v1 restarts, v2 misses three scrapes, its errors are born with a burst of 40."""
    before, after = [500 + 10 * i for i in range(30)], [3 + 10 * i for i in range(30)]
    return [
        *counter("v1", "200", before + after),
        *counter("v2", "200", [7 + i for i in range(LENGTH)], missed={40, 41, 42}),
        *counter("v2", "503", [40] * 20 + [41] * 20, born=20),
    ]


def story_of_buckets():
    """v1 serves 1, 2 and 3 requests per scrape in its buckets, v2 restarts after 30 scrapes."""
    steady = [(n, 3 * n, 6 * n) for n in range(LENGTH)]
    restarted = [(2 * n, 3 * n, 3 * n) for n in (*range(30, 60), *range(30))]
    return [
        (labels(version, instance=TARGET, le=edge), START + SCRAPE * i, counts[at])
        for version, rows in (("v1", steady), ("v2", restarted))
        for at, edge in enumerate(EDGES)
        for i, counts in enumerate(rows)
    ]
