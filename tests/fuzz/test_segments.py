"""Whatever a sealed segment's first line holds: the segment that was sealed, or a refusal."""

import json

import pytest
from click.testing import CliRunner

from rollout.cli import surefoot
from rollout.errors import JournalError
from rollout.journal.segment import read_segment
from tests.support.fuzzing import fuzz
from tests.support.manifests import ROOT

RECORDED = ROOT / "notebooks" / "data" / "demo.jsonl"


def done(*arguments: object) -> None:
    answer = CliRunner().invoke(surefoot, [*map(str, arguments)])
    assert answer.exit_code == 0, answer.output


@pytest.fixture(scope="module")
def sealed(tmp_path_factory):
    """A segment that begins later and has the journal's first entry, as lines."""
    folder = tmp_path_factory.mktemp("sealed")
    done("checkpoint", "--key", folder / "key", "--new-key", "lab.example/surefoot")
    own = ("--journal", RECORDED)
    done("checkpoint", "--key", folder / "key", *own, "--to", folder / "signed")
    named = ("--checkpoints", folder / "signed", "--from", 70, "--name-chain")
    done("export", *own, *named, folder / "named.jsonl")
    return (folder / "named.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)


def test_whatever_the_first_line_holds_is_refused_or_names_the_same_chain(sealed, tmp_path):
    head, path = json.loads(sealed[0]), tmp_path / "mangled.jsonl"
    path.write_text("".join(sealed), encoding="utf-8")
    whole = read_segment(path)
    assert whole.chain

    def check(mutator):
        line = mutator.to_json(mutator.mangle(head))
        if mutator.random.random() < 0.3:
            line = mutator.spoil(sealed[0].strip()).decode("utf-8", "replace")
        text = "".join([f"{line}\n", *sealed[1:]])
        path.write_bytes(text.encode("utf-8", "surrogatepass"))
        try:
            read = read_segment(path)
        except JournalError:
            return
        assert (read.first, read.rows) == (whole.first, whole.rows)
        assert read.chain in {whole.chain, None}, "without the first entry nothing is named"

    fuzz("segments", 0.03, check)
