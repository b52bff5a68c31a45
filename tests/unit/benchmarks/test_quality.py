"""The comparison itself: figures follow from seeds, bars bite, and every miss has a name."""

import json
import math

import numpy as np
import pytest

from analysis.counting.counts import Counts
from analysis.histograms.alternatives import HistogramTolerance
from analysis.information import needed, rate_divergence
from analysis.rates.rate import RateMargin
from analysis.rates.ratio_test import log_harm
from benchmarks import decision_quality
from benchmarks.quality import (
    against,
    climb,
    contest,
    detection,
    engines,
    harm,
    latency,
    layout,
    picture,
    promotion,
    reach,
    rollback,
    runs,
)
from benchmarks.quality.engines import (
    ENGINES,
    INDEPENDENT,
    INDEPENDENT_PROOF,
    SHIPPED,
    SHIPPED_PROOF,
)
from benchmarks.quality.rules import RULES
from benchmarks.worlds.latencies import EDGES, BucketsModel
from benchmarks.worlds.rates import Streams
from tests.support.counts import start


class TestRuns:
    def test_each_key_has_its_own_stream_and_keeps_it(self):
        draws = [runs.seeded(*key).integers(2**40) for key in ((1, "a"), (1, "b"), (2, "a"))]
        assert len(set(draws)) == 3
        assert runs.seeded(1, "a").integers(2**40) == draws[0]

    def test_chunks_add_up(self):
        assert list(runs.chunks(2 * runs.CHUNK + 7)) == [runs.CHUNK, runs.CHUNK, 7]
        assert list(runs.chunks(3)) == [3]

    def test_a_bar_is_missed_by_more_than_luck_only(self):
        assert not runs.above(0.05, 0.05, 100)
        assert not runs.above(0.12, 0.05, 100), "by the binomial, .0043; by a normal it were less"
        assert runs.above(0.14, 0.05, 100)
        assert runs.above(0.07, 0.05, 2000)

    def test_the_error_of_a_share_never_is_zero(self):
        assert runs.error(0.0, 100) > 0
        assert runs.error(0.5, 100) == pytest.approx(0.05)


class TestRollback:
    def test_one_cell_of_a_world_where_requests_are_not_independent(self):
        cell = rollback.RollbackCell("retries", 20.0, 0.01, rollouts=40, seed=1)
        rows = rollback._group([cell])
        assert rows == rollback._group([cell])
        assert {(row["alpha"], row["rule"]) for row in rows} == {
            (alpha, rule) for alpha in rollback.ALPHAS for rule in (*ENGINES, *RULES)
        }
        raw = {row["alpha"]: row for row in rows if row["rule"] == "R"}
        assert raw[0.05]["false_rollback"] >= raw[0.01]["false_rollback"] > 0.2

    def test_cells_that_are_computed_together_are_what_each_is_alone(self):
        cells = [rollback.RollbackCell(*world, rollouts=4, seed=2) for world in (
            ("iid", 20.0, 0.05), ("pod-bursts", 0.2, 0.01), ("skew", 20.0, 0.01))]  # fmt: skip
        alone = [row for cell in cells for row in rollback._group([cell])]
        assert rollback._group(cells) == alone
        proofs = [
            promotion.PromotionCell("iid", 500.0, 0.01, margin, 5, 1)
            for margin in promotion.MARGINS
        ]
        alone = [row for cell in proofs for row in promotion._false([cell])]
        assert promotion._false(proofs) == alone

    def test_a_false_rollback_rate_beyond_alpha_is_named(self):
        row = {"scenario": "iid", "rate": 20.0, "base": 0.01, "alpha": 0.01, "rule": SHIPPED,
               "runs": 1000, "false_rollback": 0.009, "error": 0.003}  # fmt: skip
        other = {**row, "scenario": "incidents", "false_rollback": 0.0}
        assert rollback.misses([row, other]) == []
        [first, second] = rollback.misses([{**row, "false_rollback": 0.03}, other])
        assert "0.030" in first
        assert "iid, 20 rps, base 1.0%" in first
        assert "all iid cells" in second
        flagger = {**row, "rule": "Flagger", "false_rollback": 1.0}
        assert rollback.misses([row, other, flagger]) == []


class TestDetection:
    def test_the_sprt_that_knows_is_near_its_bound_and_ours_not_far(self):
        rows = detection._cell(detection.DetectionCell(0.01, 2.0, 0.5, rollouts=300, seed=3))
        over = {row["rule"]: row["over_bound"] for row in rows}
        assert 0.9 < over[detection.CLAIRVOYANT] < 1.25
        assert over[detection.CLAIRVOYANT] < over["R"] < 1.4
        rho = 1.0
        assert rows[0]["bound"] == pytest.approx(
            needed(rate_divergence(0.02, 0.01, 1.0, 0.0, rho), detection.ALPHA)
        )

    def test_requests_are_counted_up_to_the_look(self):
        e = np.array([[5, 7, 9], [5, 7, 9]])
        arms = Streams(e, e * 0, e, e * 0)
        assert detection.requests(arms, np.array([2, 0])).tolist() == [12, 21]

    def test_too_many_requests_are_named(self):
        row = {"rule": INDEPENDENT, "theta": 2.0, "base": 0.01, "weight": 0.1, "over_bound": 1.3,
               "error": 0.01, "over_sprt": 1.1, "over_sprt_error": 0.01}  # fmt: skip
        assert detection.misses([row]) == []
        [miss] = detection.misses([{**row, "over_bound": 1.4}])
        assert "the bound 1.40" in miss
        [miss] = detection.misses([{**row, "over_sprt": 1.2}])
        assert "2x, base 1.0%, weight 10%" in miss


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
        found = engines.harm(arms) >= np.log(100)
        most = reach.most_power(500, 0.1, 0.05, rho, 0.01)
        power = found.any(axis=1).mean()
        assert power <= most
        assert (detection.clairvoyant(arms, 2.0, 0.01) > 0).mean() <= most
        assert most - power < 0.25

    def test_more_requests_and_a_looser_alpha_allow_more(self):
        power = [reach.most_power(n, 0.02, 0.01, 0.1, 0.01) for n in (100, 500, 2000)]
        assert power == sorted(power)
        assert reach.most_power(500, 0.02, 0.01, 0.1, 0.05) > power[1]


class TestContest:
    def row(self, rule, limit, requests, false):
        return {
            "scenario": "iid",
            "rate": 20.0,
            "base": 0.4,
            "theta": 2.0,
            "alpha": 0.01,
            "known": 15.0,
            "known_error": 0.0,
            "rule": rule,
            "limit": limit,
            "requests": requests,
            "requests_error": 0.0,
            "false_rollback": false,
        }

    def test_ratios_say_who_finds_it(self):
        rows = [self.row(INDEPENDENT, "declared", 100.0, 0.0)]
        rows += [
            self.row("Argo", "documented", math.inf, 0.0),
            self.row("Kayenta", "oracle", 400, 0),
        ]
        assert [row["ratio"] for row in against.compared(rows)] == [0.0, 0.25]
        nobody = [{**row, "requests": math.inf} for row in rows[:2]]
        assert against.compared(nobody) == []
        [only_they] = against.compared([nobody[0], self.row("Argo", "oracle", 10.0, 0.0)])
        assert only_they["ratio"] == math.inf

    def test_a_hopeless_peer_is_asked_with_its_oracle_s_limit(self):
        rows = [
            self.row(INDEPENDENT, "declared", 100.0, 0.01),
            self.row("Flagger", "documented", 120.0, 0.9),
            self.row("Flagger", "oracle", 1000.0, 0.01),
        ]
        assert against.misses(rows) == []
        [miss] = against.misses([*rows[:2], self.row("Flagger", "oracle", 200.0, 0.01)])
        assert "oracle limit) 0.50, bar 0.250" in miss
        [miss] = against.misses([{**rows[0], "false_rollback": 0.05}, *rows[1:]])
        assert "bar 1/50" in miss

    @pytest.mark.parametrize(("luck", "named"), [(3.0, 0), (1.0, 1)])
    def test_a_median_that_may_be_luck_is_no_miss(self, luck, named):
        mine = {**self.row(INDEPENDENT, "declared", 30.0, 0.0), "requests_error": luck}
        flagger = self.row("Flagger", "documented", 1000.0, 0.1)
        assert (
            len(against.misses([mine, flagger, self.row("Argo", "documented", 100.0, 0)])) == named
        )

    def test_what_no_test_can_do_is_no_miss_but_is_named(self):
        mine, flagger = (
            self.row(INDEPENDENT, "declared", 100.0, 0.0),
            self.row("Flagger", "documented", 1000.0, 0.1),
        )
        slow = self.row("Kayenta", "documented", 200.0, 0.03)
        assert len(against.misses([mine, flagger, slow])) == 1
        assert against.beyond([mine, flagger, slow]) == []
        for enough in (10.0, 21.0):  # 1.14 times that is within the 25 that the bar asks for
            assert against.beyond([mine, flagger, {**slow, "known": enough}]) == []
        known = {**slow, "known": 22.0}
        assert against.misses([mine, flagger, known]) == []
        [wall] = against.beyond([mine, flagger, known])
        assert "needs 0.110, block 2 allows 1.14 times that (they are wrong in 3.0%)" in wall
        rare = [{**row, "base": 0.01} for row in (mine, flagger, slow)]
        assert against.misses(rare) == []
        [wall] = against.beyond(rare)
        assert "in 25 requests no test finds more than 4%" in wall

    def test_a_played_cell_has_every_rule_with_both_limits(self):
        cell = contest.ContestCell("iid", 20.0, 0.05, (5.0,), alpha=0.05, rollouts=20, seed=1)
        rows = contest._cell(cell)
        assert len(rows) == len(ENGINES) + 2 * len(RULES)
        assert all(row["power"] == 1 for row in rows if row["rule"] in ("R", "GrowthBook"))
        oracle = [row for row in rows if row["limit"] == "oracle"]
        assert all(row["false_rollback"] <= 0.25 for row in oracle)


class TestPromotion:
    def test_a_canary_at_its_margin_is_seldom_promoted_and_a_twin_is(self):
        cell = promotion.PromotionCell("incidents", 20.0, 0.05, "+ base/2", rollouts=200, seed=1)
        row, *_ = promotion._false([cell])
        assert row["false_promotion"] <= 0.05
        proof, *_ = promotion._time(promotion.Proof(0.05, "+ base/2", 0.5, rollouts=100, seed=1))
        assert 0.8 < proof["over_bound"] < 1.5

    def test_false_and_slow_proofs_are_named(self):
        false = {"scenario": "iid", "rate": 20.0, "base": 0.01, "margin": "x 1.5",
                 "rule": SHIPPED_PROOF, "runs": 1000, "false_promotion": 0.2,
                 "error": 0.01}  # fmt: skip
        slow = {
            "rule": INDEPENDENT_PROOF,
            "base": 0.01,
            "margin": "x 1.5",
            "weight": 0.1,
            "over_bound": 1.6,
            "error": 0.05,
        }
        assert len(promotion.misses([false], [slow])) == 2
        fine = {**false, "false_promotion": 0.06}
        assert promotion.misses([fine], [{**slow, "over_bound": 1.5}]) == []


class TestHarm:
    def cell(self, ramp, theta):
        pace = harm.PACES[ramp][20.0]
        return climb.ClimbCell(ramp, (0.05, 0.0), 20.0, theta, rollouts=30, seed=1, pace=pace)

    def test_the_closed_loop_is_the_production_fold(self):
        group = climb.Rollouts(self.cell("evidence", 2.0), 5, np.random.default_rng(1))
        capitals = [start(RateMargin(1.0, 0.0))] * 5
        weights, seen = [], []

        def drawn(rng, expected, share):
            e = rng.poisson(expected)
            seen.append((e, rng.binomial(e, share)))
            return seen[-1]

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(climb, "drawn", drawn)
            for number in range(1, 31):
                group.look(number)
                weights.append(group.weight.copy())
        for canary, stable in zip(seen[::2], seen[1::2], strict=True):
            counts = zip(np.transpose(canary).tolist(), np.transpose(stable).tolist(), strict=True)
            looks = [Counts(tuple(one), tuple(other)) for one, other in counts]
            capitals = [c.update(look) for c, look in zip(capitals, looks, strict=True)]
        folded = [capital.logs.harm for capital in capitals]
        still_open = ~(group.rolled | group.promoted)
        assert log_harm(group.harm)[still_open] == pytest.approx(np.array(folded)[still_open])
        assert still_open.any()
        assert (np.diff(weights, axis=0) >= 0).all()

    @pytest.mark.parametrize("ramp", harm.PACES)
    def test_twins_are_promoted_and_harm_is_rolled_back(self, ramp):
        [twin], [bad] = harm.measured(self.cell(ramp, 1.0)), harm.measured(self.cell(ramp, 5.0))
        assert twin["promoted"] >= 0.85
        assert twin["excess"] == 0
        assert bad["rolled_back"] >= 0.95
        assert 1 < bad["excess"] < 15
        assert ramp == "evidence" or twin["minutes"] >= 25
        assert bad["known"] < bad["excess"], "it is told the effect"
        assert math.isnan(twin["known"])

    def test_misses_are_asked_of_the_stated_test_only(self):
        row = {"ramp": "fixed", "rate": 500.0, "theta": 2.0, "excess": 20.0, "error": 1.0,
               "alpha": 0.05, "margin": 0.0, "minutes": 3.0,
               "known": 14.0, "known_error": 0.5}  # fmt: skip
        assert len(harm.misses([row])) == 1
        assert harm.misses([{**row, "alpha": 0.01}]) == []
        late = {**row, "theta": 1.0, "excess": 0.0, "ramp": "evidence", "minutes": 6.0}
        assert "6.0 minutes to promote, bar 5" in harm.misses([late])[0]

    def test_what_the_test_that_knows_the_effect_misses_is_named_and_no_miss(self):
        row = {"ramp": "fixed", "rate": 5.0, "theta": 2.0, "excess": 20.0, "error": 1.0,
               "alpha": 0.05, "margin": 0.0, "minutes": 3.0,
               "known": 17.0, "known_error": 0.5}  # fmt: skip
        assert harm.misses([row]) == []
        assert "costs 17.0 +- 0.5" in harm.beyond([row])[0]
        unsure = {**row, "known_error": 0.7}
        assert len(harm.misses([unsure])) == 1
        assert harm.beyond([unsure]) == []


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
        one = np.zeros((1, 4, len(EDGES)), dtype=np.int64)
        one[0, :2, 10] = 50  # both looks of the first minute; the second saw nothing
        [[first, empty]] = latency.percentile(one, 0.99)
        assert first == pytest.approx(EDGES[9] + (EDGES[10] - EDGES[9]) * 0.99)
        assert np.isnan(empty)

    def test_harm_is_found_and_a_tolerated_shift_is_not(self):
        cells = [latency.LatencyCell("iid", 20.0, name, 20, 1) for name in ("+2 %", "x 1.5")]
        fine, bad = ({row["rule"]: row for row in latency._cell(cell)} for cell in cells)
        assert fine["H"]["rolled_back"] == 0
        assert bad["H"]["rolled_back"] == 1
        assert bad["H"]["look"] <= 3 < bad["Flagger"]["look"]

    def test_a_tolerated_shift_that_is_rolled_back_is_named(self):
        row = {"rule": "H", "effect": "+10 %", "rolled_back": 0.1, "error": 0.01, "runs": 1000,
               "scenario": "iid", "rate": 20.0}  # fmt: skip
        assert "iid, 20 rps, +10 %" in latency.misses([row])[0]
        assert latency.misses([{**row, "effect": "x 1.5"}, {**row, "rule": "Flagger"}]) == []


class TestWhole:
    TINY = runs.Size(
        rollback=4, contest=4, dispersion=4, detection=4, promotion=4, harm=4, latency=4
    )

    def test_every_block_is_shown_written_and_judged(self, tmp_path, monkeypatch, capsys):
        for module, names in (
            (rollback, {"RATES": (20.0,), "BASES": (0.05,), "SCENARIOS": ("iid", "incidents")}),
            (detection, {"BASES": (0.05,), "THETAS": (5.0,)}),
            (contest, {"RATES": (20.0, 500.0), "BASES": (0.05,), "SCENARIOS": ("iid",)}),
            (promotion, {"RATES": (20.0,), "BASES": (0.05,), "SCENARIOS": ("iid",)}),
            (harm, {"RATES": (20.0, 500.0)}),
            (latency, {"RATES": (2.0,), "EFFECTS": {"none": (1.0, 1.0)}}),
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
        said = capsys.readouterr().out
        assert code == (1 if any(written["missed"].values()) else 0)
        assert set(written["missed"]) == set(decision_quality.BARS)
        assert all(written["blocks"].values())
        assert all(f"\n{number}. " in said for number in range(1, 8))
        assert "seed 1" in said
        assert drawn.stat().st_size > 10_000

    def test_infinity_is_null_in_json(self):
        assert decision_quality.plain({"a": [math.inf, 1.0, math.nan]}) == {"a": [None, 1.0, None]}

    def test_tables_align(self):
        lines = layout.table("T", ["name", "n"], [["a", 1], ["long", 100]]).splitlines()
        assert lines == ["", "T", "name    n", "a       1", "long  100"]
