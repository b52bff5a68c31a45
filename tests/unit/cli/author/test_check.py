"""`surefoot check`: what it prints, how it ends, and how little it imports."""

import json
import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from click.testing import CliRunner

from rollout.cli import surefoot
from rollout.plan.fields.codes import CODES
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
        "accuracy at most 2 points above stable in the share of 0.6 or less\n"
        "  false rollback 1 %, false promotion 5 %: measured from stable's totals of the last "
        "24 h; where a label"
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
    assert plan.keys() == {"file", "name", "id", "digest", "notes"}
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


def test_mistakes_annotate_their_lines_in_a_workflow(bad):
    done = check("--output", "github", bad)
    assert done.exit_code == 2
    lines = done.stdout.splitlines()
    places = [
        (m["line"], m["column"])
        for m in json.loads(check("--output", "json", bad).stdout)["mistakes"]
    ]
    assert len(lines) == len(places) == 2
    for line, (row, column) in zip(lines, places, strict=True):
        assert line.startswith(f"::error file={bad},line={row},col={column},title=surefoot P")


def test_a_file_cannot_break_out_of_its_workflow_command(tmp_path):
    odd = tmp_path / "a,b:c%.yaml"
    odd.write_text("spec: [\n")
    (line,) = check("--output", "github", odd).stdout.splitlines()
    assert f"file={tmp_path}/a%2Cb%3Ac%25.yaml,line=" in line


def test_sarif_is_what_the_json_says(bad):
    reported = json.loads(check("--output", "json", bad).stdout)["mistakes"]
    log = json.loads(check("--output", "sarif", bad).stdout)
    assert log["version"] == "2.1.0"
    (run,) = log["runs"]
    rules = {rule["id"] for rule in run["tool"]["driver"]["rules"]}
    assert rules == {mistake["code"] for mistake in reported}
    for result, mistake in zip(run["results"], reported, strict=True):
        (location,) = result["locations"]
        physical = location["physicalLocation"]
        assert physical["artifactLocation"]["uri"] == bad.as_uri()
        assert physical["region"] == {
            "startLine": mistake["line"],
            "startColumn": mistake["column"],
        }
        assert mistake["message"] in result["message"]["text"]


def test_a_relative_file_is_named_as_the_code_host_knows_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("my plan.yaml").write_text("{}")
    log = json.loads(check("--output", "sarif", "my plan.yaml").stdout)
    physical = log["runs"][0]["results"][0]["locations"][0]["physicalLocation"]
    assert physical["artifactLocation"]["uri"] == "my%20plan.yaml"


def test_a_junit_report_has_a_case_for_each_file(bad):
    good = EXAMPLES / "01-envoy-local.yaml"
    root = ET.fromstring(check("--output", "junit", good, bad).stdout)  # noqa: S314 - our own text
    (suite,) = root
    assert (suite.get("tests"), suite.get("failures")) == ("2", "1")
    passed, failed = suite
    assert (passed.get("name"), list(passed)) == (str(good), [])
    (failure,) = failed
    assert failure.text is not None
    assert failure.text.splitlines()[0].startswith(f"{bad}:")
    assert len(failure.text.splitlines()) == 2


@pytest.mark.parametrize("form", ["github", "sarif", "junit"])
def test_good_plans_have_an_empty_report(form):
    done = check("--output", form, EXAMPLES / "01-envoy-local.yaml")
    assert done.exit_code == 0
    assert "error file" not in done.stdout
    assert "<failure" not in done.stdout


@pytest.fixture
def noted(tmp_path):
    """A file of two plans, the second of which has a deadline that is too short."""
    file = tmp_path / "noted.yaml"
    late = GOOD.replace("deadline: 24h", "deadline: 6m").replace("summarizer-v2", "summarizer-v9")
    file.write_text(f"{GOOD}---\n{late}")
    return file, file.read_text().split("summarizer-v9")[0].count("\n") + 1


def test_a_note_is_a_notice_in_a_workflow_at_the_plan_s_name(noted):
    file, row = noted
    done = check("--output", "github", file)
    (line,) = done.stdout.splitlines()
    assert done.exit_code == 0
    assert line.startswith(f"::notice file={file},line={row},col=")
    assert "summarizer-v9: the way to all traffic takes" in line


def test_a_note_is_a_result_of_its_own_level_in_sarif(noted):
    file, row = noted
    (run,) = json.loads(check("--output", "sarif", file).stdout)["runs"]
    (result,) = run["results"]
    assert result["level"] == "note"
    assert result["ruleId"] in {rule["id"] for rule in run["tool"]["driver"]["rules"]}
    assert result["locations"][0]["physicalLocation"]["region"]["startLine"] == row


def test_a_note_is_the_output_of_its_case_in_junit_and_no_failure(noted):
    file, _ = noted
    root = ET.fromstring(check("--output", "junit", file).stdout)  # noqa: S314 - our own text
    assert (root.get("tests"), root.get("failures")) == ("1", "0")
    assert "the deadline comes after 6m" in (root.findtext(".//system-out") or "")


SERVICE = "apiVersion: v1\nkind: Service\nmetadata: {name: reviews}\n"


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "plans").mkdir()
    (tmp_path / "plans/both.yaml").write_text(f"{SERVICE}---\n{GOOD}")
    (tmp_path / "service.yaml").write_text(SERVICE)
    (tmp_path / "chart.yaml").write_text("metadata: {{ .Values.name }}\n")
    (tmp_path / "notes.txt").write_text("apiVersion: surefoot.dev/v1alpha1\nkind: RolloutPlan\n")
    return tmp_path


def test_a_folder_stands_for_the_plans_in_it(folder):
    done = check("--output", "json", folder)
    assert done.exit_code == 0
    (plan,) = json.loads(done.stdout)["plans"]
    assert plan["file"] == str(folder / "plans/both.yaml")


def test_a_mistake_of_a_plan_in_a_folder_is_found(folder):
    (folder / "plans/bad.yml").write_text(GOOD.replace("whenBlind", "whenblind"))
    done = check("--output", "json", folder)
    assert done.exit_code == 2
    (mistake,) = json.loads(done.stdout)["mistakes"]
    assert mistake["file"] == str(folder / "plans/bad.yml")


@pytest.mark.parametrize("kind", ["rolloutplan", "RolloutPlam", "RoloutPlan", "Rollout"])
def test_a_mistyped_kind_in_a_folder_is_found(folder, kind):
    (folder / "plans/bad.YML").write_text(GOOD.replace("RolloutPlan", kind))
    done = check(folder)
    assert done.exit_code == 2
    assert f"must be `RolloutPlan`, not `{kind}`" in done.stdout


@pytest.mark.parametrize("version", ["surefot.dev/v1alpha1", "v1", "surefoot/v1alpha1"])
def test_a_mistyped_version_in_a_folder_is_found(folder, version):
    (folder / "plans/bad.yml").write_text(GOOD.replace("surefoot.dev/v1alpha1", version))
    done = check(folder)
    assert done.exit_code == 2
    assert f"must be `surefoot.dev/v1alpha1`, not `{version}`" in done.stdout


def test_our_other_kinds_in_a_folder_are_passed_over(folder):
    trigger = "apiVersion: surefoot.dev/v1alpha1\nkind: RolloutTrigger\n"
    (folder / "trigger.yaml").write_text(trigger)
    (folder / "template.yaml").write_text(trigger.replace("RolloutTrigger", "MetricTemplate"))
    assert check(folder).exit_code == 0


def test_another_kind_that_quotes_a_plan_in_a_folder_is_passed_over(folder):
    quoted = "".join(f"    {line}\n" for line in GOOD.splitlines())
    head = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: plans}\ndata:\n"
    (folder / "quoted.yaml").write_text(f"{head}  plan.yaml: |\n{quoted}")
    done = check("--output", "json", folder)
    assert done.exit_code == 0, done.output
    assert [entry["file"] for entry in json.loads(done.stdout)["plans"]] == [
        str(folder / "plans/both.yaml")
    ]


def test_what_is_no_yaml_and_names_our_kind_in_a_folder_is_a_mistake(folder):
    (folder / "broken.yaml").write_text(f"{GOOD}\n]: [")
    assert check(folder).exit_code == 2


def test_a_folder_without_plans_is_bad_input(folder):
    (folder / "plans/both.yaml").unlink()
    done = check(folder)
    assert (done.exit_code, done.stdout) == (2, "")
    assert "no YAML file in this folder or below it holds a plan" in done.stderr


@pytest.mark.parametrize(
    "head", ["kind: Service", "apiVersion: surefoot.dev/v1alpha1\nkind: RolloutPlam"]
)
def test_a_document_that_may_be_a_plan_is_not_passed_over(tmp_path, head):
    path = tmp_path / "plan.yaml"
    path.write_text(f"{GOOD}---\n{head}\nmetadata: {{name: b}}\n")
    assert check(path).exit_code == 2


def test_another_kind_alone_is_a_mistake(folder):
    assert check(folder / "service.yaml").exit_code == 2


@pytest.mark.parametrize(
    ("deadline", "kinds"),
    [("5m", ["the way", "counts of accuracy"]), ("8m", ["the way"]), ("9m", [])],
)
def test_times_that_do_not_fit_are_noted(tmp_path, deadline, kinds):
    path = tmp_path / "plan.yaml"
    path.write_text(GOOD.replace("deadline: 24h", f"deadline: {deadline}"))
    done = check("--output", "json", path)
    assert done.exit_code == 0
    (plan,) = json.loads(done.stdout)["plans"]
    notes = plan["notes"]
    assert len(notes) == len(kinds)
    for note, kind in zip(notes, kinds, strict=True):
        assert note.startswith(kind)
        assert f"{deadline}" in note
    assert check(path).stdout.count("  note: ") == len(kinds)


def test_a_code_is_explained():
    done = CliRunner().invoke(surefoot, ["check", "--explain", "p012"])
    assert (done.exit_code, done.output) == (0, f"P012: {CODES['P012']}\n")
    unknown = CliRunner().invoke(surefoot, ["check", "--explain", "P999"])
    assert unknown.exit_code == 2
    assert "P012" in unknown.output
