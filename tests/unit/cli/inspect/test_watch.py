"""`surefoot watch NAME` follows one rollout of a journal that holds several."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from rollout.cli import surefoot

RECORDED = Path(__file__).parents[4] / "notebooks" / "data" / "demo.jsonl"


@pytest.mark.parametrize("name", ["discharge-summarizer-v2", "discharge-summarizer-v3"])
def test_one_of_several_rollouts_is_followed(name):
    run = CliRunner().invoke(surefoot, ["watch", name, "--once", "--journal", str(RECORDED)])
    assert run.exit_code == 0, run.output
    assert name in run.output
