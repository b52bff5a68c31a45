"""The comparison itself: figures follow from seeds, bars bite, and every miss has a name."""

import json
from dataclasses import fields

import numpy as np
import pytest

from analysis.counting.counts import Counts
from analysis.histograms.alternatives import HistogramTolerance
from analysis.rates.rate import RateMargin
from analysis.rates.ratio_test import log_harm
from benchmarks import decision_quality
from benchmarks.quality import (
    climb,
    contest,
    default,
    detection,
    engines,
    harm,
    kinds,
    latency,
    margins,
    picture,
    promotion,
    reach,
    rollback,
    runs,
)
from benchmarks.worlds.latencies import EDGES, BucketsModel
from benchmarks.worlds.rates import Streams
from tests.support.counts import start


class TestReach:
    """The lemma's bound: met by the most powerful test, beaten by nobody."""

    def test_a_single_request_of_each_arm_is_known_exactly(self):
        """Only the canary's is bad: chance .24 at the pooled share of .4, in truth .63."""
        assert reach.most_power(1, 0.7, 0.1, 1.0, 0.1) == pytest.approx(0.1 / 0.24 * 0.63)

    def test_no_test_of_ours_or_the_peers_finds_more(self):
        """Of those that keep alpha; medians would be half."""
        rho, runs = 1 / 9, 4000
        rng = np.random.default_rng(31)
        x_c, x_s = rng.binomial(50, 0.1, (runs, 10)), rng.binomial(450, 0.05, (runs, 10))
        e = np.full_like(x_c, 50)
        arms = Streams(e, x_c, 9 * e, x_s)
        is_harmful = engines.harm(arms) >= np.log(100)
        most = reach.most_power(500, 0.1, 0.05, rho, 0.01)
        power = is_harmful.any(axis=1).mean()
        assert power <= most
        assert (detection.clairvoyant(arms, 2.0, 0.01) > 0).mean() <= most
        assert most - power < 0.25

    def test_more_requests_and_a_looser_alpha_allow_more(self):
        power = [reach.most_power(n, 0.02, 0.01, 0.1, 0.01) for n in (100, 500, 2000)]
        assert power == sorted(power)
        assert reach.most_power(500, 0.02, 0.01, 0.1, 0.05) > power[1]


class TestHarm:
    def cell(self, ramp, theta):
        pace = harm.PACES[ramp][20.0]
        return climb.ClimbCell(ramp, (0.05, 0.0), 20.0, theta, rollouts=30, seed=1, pace=pace)

    def test_the_closed_loop_is_the_production_fold(self):
        group = climb.Rollouts(self.cell("evidence", 2.0), 5, np.random.default_rng(1))
        capitals = [start(RateMargin(1.0, 0.0))] * 5
        weights, exposures = [], []

        def drawn(rng, expected, share):
            e = rng.poisson(expected)
            exposures.append((e, rng.binomial(e, share)))
            return exposures[-1]

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(climb, "drawn", drawn)
            for number in range(1, 31):
                group.look(number)
                weights.append(group.weight.copy())
        for canary, stable in zip(exposures[::2], exposures[1::2], strict=True):
            counts = zip(np.transpose(canary).tolist(), np.transpose(stable).tolist(), strict=True)
            looks = [Counts(tuple(canary), tuple(other)) for canary, other in counts]
            capitals = [c.update(look) for c, look in zip(capitals, looks, strict=True)]
        folded = [capital.logs.harm for capital in capitals]
        still_open = ~(group.rolled | group.promoted)
        assert log_harm(group.harm)[still_open] == pytest.approx(np.array(folded)[still_open])
        assert still_open.any()
        assert (np.diff(weights, axis=0) >= 0).all()


class TestLatency:
    def shapes(self, rollouts=3, **world):
        return BucketsModel(**world).streams(np.random.default_rng(1), rollouts)

    def test_histogram_paths_equal_the_fold(self):
        shapes = self.shapes(looks=12, rate=2.0, past=0, factor=1.3)
        logs, rule = latency.histogram(shapes), HistogramTolerance(0.1, relative=True, worse="high")
        for run in range(3):
            capital, folded = start(rule), []
            for canary, stable in zip(shapes.canary[run], shapes.stable[run], strict=True):
                counts = tuple(canary.tolist()), tuple(stable.tolist())
                capital = capital.update(Counts(*counts, EDGES))
                folded.append(capital.logs.harm)
            assert logs[run] == pytest.approx(folded, rel=1e-9, abs=1e-9)

    def test_percentiles_are_interpolated_as_prometheus_does(self):
        canary = np.zeros((1, 4, len(EDGES)), dtype=np.int64)
        canary[0, :2, 10] = 50  # both looks of the first minute; the second saw nothing
        [[first, empty]] = latency.percentile(canary, 0.99)
        assert first == pytest.approx(EDGES[9] + (EDGES[10] - EDGES[9]) * 0.99)
        assert np.isnan(empty)


class TestDefault:
    def row(self, share, runs=1000, **key):
        return {"share": share, "runs": runs, **key}

    def test_holm_finds_the_cells_whose_excess_is_no_luck(self):
        rows = [self.row(0.01), self.row(0.055), self.row(0.1)]
        assert default.find_significant(rows, "share", 0.05) == [rows[2]]

    def test_one_cell_among_many_needs_more_than_one_alone(self):
        lucky = self.row(0.064)
        assert default.find_significant([lucky], "share", 0.05) == [lucky]
        assert not default.find_significant([lucky, *[self.row(0.0)] * 30], "share", 0.05)


class TestWhole:
    TINY = runs.Size(*(4 for _ in fields(runs.Size)))

    def test_every_block_is_shown_written_and_judged(self, tmp_path, monkeypatch, capsys):
        for module, names in (
            (rollback, {"RATES": (20.0,), "BASES": (0.05,), "SCENARIOS": ("iid", "incidents")}),
            (detection, {"BASES": (0.05,), "THETAS": (5.0,)}),
            (contest, {"RATES": (20.0, 500.0), "BASES": (0.05,), "SCENARIOS": ("iid",)}),
            (promotion, {"RATES": (20.0,), "BASES": (0.05,), "SCENARIOS": ("iid",)}),
            (harm, {"RATES": (20.0, 500.0)}),
            (latency, {"RATES": (2.0,), "EFFECTS": {"none": (1.0, 1.0)}}),
            (kinds, {"LOOKS": 8, "TESTS": ("slower", "below"), "TAILS": ("geometric",)}),
            (default, {"RATES": (20.0,), "BASES": (0.01,), "SCENARIOS": ("iid",), "HARD": ()}),
            (
                margins,
                {
                    "RATES": (20.0,),
                    "MARGINS": ((0.01, 1.0, 0.005),),
                    "SCENARIOS": ("iid",),
                    "HARD": (),
                },
            ),
        ):
            for name, value in names.items():
                monkeypatch.setattr(module, name, value)
        monkeypatch.setattr(decision_quality, "QUICK", self.TINY)
        monkeypatch.setattr(picture, "SCENARIOS", ("iid", "incidents"))
        file, drawn = tmp_path / "all.json", tmp_path / "all.png"
        monkeypatch.setattr(
            "sys.argv", ["decision_quality", "--json", str(file), "--picture", str(drawn)]
        )
        code = decision_quality.main()
        written = json.loads(file.read_text())
        output = capsys.readouterr().out
        assert code == (1 if any(written["missed"].values()) else 0)
        assert set(written["missed"]) == set(decision_quality.BARS)
        assert all(written["blocks"].values())
        assert all(f"\n{number}. " in output for number in range(1, 10))
        assert "seed 1" in output
        assert drawn.stat().st_size > 10_000
