"""The demo's last table: what a fault cost stands there, whichever fault it was."""

import io

from rich.console import Console

from rollout.cli.text.demo_summary import costs_table, edge
from rollout.demo.costs import Cost, Edges
from tests.support.worlds import Behaviour, Lab


def render(table):
    out = io.StringIO()
    Console(width=120, file=out).print(table)
    return out.getvalue()


def test_slow_requests_and_poor_summaries_are_counted_where_none_failed():
    costs_by_version = {
        "v3": Cost(requests=2000, failed=0, slow=300, scored=1200, poor=120),
        "v4": Cost(),
    }
    output = render(costs_table(costs_by_version, Edges(119.97, 0.18)))
    for header in ("slower than 120 ms", "scored 0.18 or less"):
        assert header in output
    for cell in ("0 (0.0%)", "300 (15.0%)", "120 (10.0%)", "1,200"):
        assert cell in output


def test_without_an_edge_its_column_says_nothing():
    output = render(costs_table({"v1": Cost(requests=10, scored=3)}, Edges()))
    assert "slower" not in output
    assert "or less" not in output


def test_the_edge_is_the_one_that_the_newest_decision_speaks_of():
    lab = Lab(Behaviour(tail_share=0.3))
    assert lab.run().phase == "rolled back"
    at = edge(lab.entries, "latency")
    assert at is not None
    assert f"requests slower than {at:.3g} ms" in lab.decisions[-1].sentence
    assert edge(lab.entries, "errors") is None
    assert edge([], "latency") is None
