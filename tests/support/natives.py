"""Native histograms as Prometheus writes them, from values that are whole exponents of schema 8."""

import math
from collections import Counter

SIZE = 256  # buckets of an octave at schema 8


def coarse(index, schema):
    """The bucket, in units of schema 8, that ends a bucket of a coarser schema."""
    width = 2 ** (8 - schema)
    return math.ceil(index / width) * width


def sample(at, schema, values, zeros=0, zero=2.0**-128):
    """One sample of values 2^(index / 256), counted in the buckets of a schema."""
    buckets = Counter(coarse(index, schema) for index in values)
    width = 2 ** (8 - schema)
    rows: list[list[object]] = [[3, repr(-zero), repr(zero), str(zeros)]] if zeros else []
    rows += [
        [0, repr(2.0 ** ((end - width) / SIZE)), repr(2.0 ** (end / SIZE)), str(buckets[end])]
        for end in sorted(buckets)
    ]
    return [at, {"count": str(len(values) + zeros), "sum": "1.5", "buckets": rows}]


def item(version, *samples, service="summarizer", **labels):
    """One series of a matrix."""
    named = {"destination_service": service, "destination_version": version}
    metric = {"__name__": "envoy_cluster_upstream_rq_time"} | named | labels
    return {"metric": metric, "histograms": list(samples)}
