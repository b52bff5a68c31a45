"""`surefoot check` says what a plan of less than full authority does, and what it does not."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from rollout.cli import surefoot

EXAMPLES = Path(__file__).parents[4] / "manifests/examples"
GOOD = (EXAMPLES / "01-envoy-local.yaml").read_text()


def check(file, authority, **fields):
    own = "".join(f"  {name}: {value}\n" for name, value in fields.items())
    lines = [line for line in GOOD.splitlines() if line.strip().partition(":")[0] not in fields]
    text = "\n".join(lines)
    file.write_text(text.replace("spec:", f"spec:\n{own}  authority: {authority}", 1) + "\n")
    done = CliRunner().invoke(surefoot, ["check", str(file)])
    assert done.exit_code == 0, done.output
    return done.output


@pytest.mark.parametrize(
    ("authority", "words"),
    [
        ("observe", "and writes nothing (authority observe)"),
        ("abort-only", "and writes a rollback alone (authority abort-only)"),
        ("advance", "then asks a person for the promotion (authority advance)"),
        ("full", "then promotes"),
    ],
)
def test_what_is_done_to_the_traffic_goes_as_far_as_the_authority(tmp_path, authority, words):
    output = check(tmp_path / "plan.yaml", authority)
    assert words in output
    does_move = authority in {"advance", "full"}
    assert ("moves discharge-summarizer from v1 to v2" in output) is does_move
    assert ("then promotes" in output) is (authority == "full")


def test_who_has_no_ramp_is_not_told_that_it_takes_too_long(tmp_path):
    file = tmp_path / "plan.yaml"
    assert "way to all traffic" in check(file, "full", deadline="5m")
    assert "way to all traffic" not in check(file, "observe", deadline="5m")
