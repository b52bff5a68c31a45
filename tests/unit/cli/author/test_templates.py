"""The command that lists the metric templates."""

from click.testing import CliRunner

from rollout.cli import surefoot


def test_a_page_of_one_template_is_not_there():
    done = CliRunner().invoke(surefoot, ["templates", "istio/errors", "--markdown"])
    assert (done.exit_code, done.stdout) == (2, "")
    assert "leave out NAME" in done.stderr
