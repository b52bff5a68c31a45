"""What `surefoot run` and `surefoot doctor` say before they begin."""

import pytest
from click.testing import CliRunner

from rollout.cli import surefoot


@pytest.mark.parametrize("command", ["run", "doctor"])
def test_the_mistakes_of_all_files_are_told_at_once(command, tmp_path):
    files = [tmp_path / "one.yaml", tmp_path / "two.yaml"]
    for file in files:
        file.write_text("kind: RolloutPlan\n")
    done = CliRunner().invoke(surefoot, [command, *map(str, files)])
    assert done.exit_code == 2
    assert all(str(file) in done.stderr for file in files)
