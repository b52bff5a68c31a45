"""`surefoot check`: what it prints, how it ends, and how little it imports."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from rollout.cli import surefoot
from rollout.plan.kube.json_schema import schema

EXAMPLES = Path(__file__).parents[4] / "manifests/examples"
GOOD = (EXAMPLES / "01-envoy-local.yaml").read_text()


def check(*arguments, **options):
    return CliRunner().invoke(surefoot, ["check", *map(str, arguments)], **options)


@pytest.fixture
def bad(tmp_path):
    path = tmp_path / "bad.yaml"
    path.write_text(GOOD.replace("whenBlind", "whenblind").replace("25%, 50%", "3%, 50%"))
    return path


def test_a_good_plan_is_told_in_words():
    done = check(EXAMPLES / "01-envoy-local.yaml")
    assert done.exit_code == 0
    assert (
        "discharge-summarizer-v2 moves discharge-summarizer from v1 to v2 "
        "in steps of 1 %, 5 %, 25 % and 50 % (each for at least 2m), then promotes\n"
        "  allowed: errors at most 1.25 times stable's plus 0.2 points; "
        "latency at most 1 point above stable in the share slower than 250 ms; "
        "accuracy at most 0.02 lower\n"
        "  false rollback 1 %, false promotion 5 %: measured from stable's totals of the last "
        "24 h; error rates assume independent requests for accuracy"
    ) in done.output


@pytest.mark.parametrize("ramp", ["steps: [1%, 5%, 25%, 50%]", "blueGreen: {holdback: 10%}"])
def test_a_plan_without_a_warm_up_is_told_that_it_is_no_experiment(tmp_path, ramp):
    path = tmp_path / "plan.yaml"
    cold = GOOD.replace("warmup: 2m", "warmup: 0s").replace("steps: [1%, 5%, 25%, 50%]", ramp)
    path.write_text(cold)
    assert check(path).output.count("cold start of the canary counts as harm") == 1


def test_an_evidence_ramp_is_told_in_words():
    done = check(EXAMPLES / "02-evidence-ramp.yaml")
    assert "from 0.1 % to 50 % as the evidence allows" in done.output


def test_a_holdback_and_hooks_are_told_in_words(tmp_path):
    more = """
  holdback: {share: 5%, lasts: 2h}
  hooks:
    - {name: warm, when: before, url: "https://ops.example/warm"}
    - {name: scale-down, when: promoted, url: "https://ops.example/scale"}
    - {name: tell, when: rolledBack, url: "https://ops.example/tell"}
"""
    path = tmp_path / "plan.yaml"
    path.write_text(GOOD.rstrip() + more)
    output = check(path).output
    assert "25 % and 50 % (each for at least 2m), then 95 % for 2h, then promotes" in output
    assert (
        "\n  calls warm before the first step, scale-down when promoted "
        "and tell when rolled back\n" in output
    )


def test_each_mistake_has_its_line_and_a_caret(bad):
    done = check(bad)
    assert done.exit_code == 2
    line = next(n for n, text in enumerate(bad.read_text().splitlines(), 1) if "3%" in text)
    assert done.output.startswith(
        f"{bad}:{line}:21 P008 step 3 % is lower than the one before (5 %)\n"
        f"   |\n"
        f"{line} |     steps: [1%, 5%, 3%, 50%]\n"
        f"   |                     ^^\n"
    )
    assert "P003 unknown key `whenblind` in `spec` (did you mean `whenBlind`?)" in done.output
    assert done.output.endswith("\n1 file checked, 2 mistakes\n")


def test_colour_is_for_terminals_only(bad, monkeypatch):
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert "\x1b[31m" not in check(bad).output
    assert "\x1b[31m" in check(bad, color=True).output
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[31m" not in check(bad, color=True).output


def test_json_has_its_documented_shape(bad):
    good = EXAMPLES / "01-envoy-local.yaml"
    done = check("--output", "json", good, bad)
    assert done.exit_code == 2
    document = json.loads(done.output)
    assert document.keys() == {"plans", "mistakes"}
    (plan,) = document["plans"]
    assert plan.keys() == {"file", "name", "id", "digest"}
    assert plan["file"] == str(good)
    assert plan["id"] == f"{plan['name']}-{plan['digest'][:8]}"
    assert [mistake["code"] for mistake in document["mistakes"]] == ["P008", "P003"]
    for mistake in document["mistakes"]:
        assert [*mistake] == ["file", "line", "column", "code", "message", "hint"]


def test_a_file_that_cannot_be_read_is_one_mistake_among_others(bad, tmp_path):
    done = check(tmp_path / "absent.yaml", bad)
    assert done.exit_code == 2
    assert "absent.yaml:1:1 P000 No such file or directory\n" in done.output
    assert "2 files checked, 3 mistakes" in done.output


def test_standard_input():
    assert check("-", input=GOOD).exit_code == 0
    done = check("-", input="kind: [")
    assert done.output.startswith("-:1:8 P001 ")
    assert "1 | kind: [\n" in done.output


def test_a_long_line_is_shown_around_its_place(tmp_path):
    path = tmp_path / "long.yaml"
    path.write_text("{" + "a: 1, " * 100 + "kind: 1" + ", b: 2" * 200 + "}")
    lines = check(path).output.splitlines()
    assert max(map(len, [line for line in lines if re.match(r"\d* +\||\d+ \|", line)])) < 180
    index = next(at for at, line in enumerate(lines) if "must be `RolloutPlan`" in line)
    assert lines[index + 2][lines[index + 3].index("^")] == "1"


def test_no_plan_is_bad_input():
    assert check().exit_code == 2


def test_schema_prints_the_schema():
    done = CliRunner().invoke(surefoot, ["schema"])
    assert done.exit_code == 0
    assert json.loads(done.output) == schema()


def test_check_imports_nothing_heavy(bad):
    program = (
        "import sys; from rollout.cli import surefoot\n"
        f"surefoot(['check', {str(bad)!r}], standalone_mode=False)"
    )
    wrapped = f"try:\n exec({program!r})\nexcept SystemExit: pass\nprint(*sorted(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", f"import sys\n{wrapped}"], capture_output=True, text=True, check=True
    )
    modules = set(done.stdout.splitlines()[-1].split())
    heavy = {"kubernetes", "sqlalchemy", "scipy", "numpy", "requests", "rich", "apscheduler"}
    assert "rollout.plan.reading.load" in modules
    assert not modules & (heavy | {"prometheus_api_client", "analysis", "rollout.wire"})


def test_what_the_error_rates_rest_on_is_told(tmp_path):
    path = tmp_path / "pods.yaml"
    path.write_text(f"{GOOD}  pods: {{label: pod, requireCalibration: true}}\n")
    done = check(path)
    assert done.exit_code == 0
    assert "in 12h of stable's history (label `pod`)" in done.output
    assert (
        "without a valid test the rollout pauses; it starts only with a calibration" in done.output
    )
