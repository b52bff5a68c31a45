"""Files that an editor or a shell has put a byte order mark in front of are read as they are."""

import json
from codecs import BOM_UTF8
from pathlib import Path

import pytest
from click.testing import CliRunner

from rollout.cli import surefoot

RECORDED = Path(__file__).parents[4] / "notebooks" / "data" / "demo.jsonl"


def call(*arguments: object):
    return CliRunner().invoke(surefoot, list(map(str, arguments)))


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A recording, a sealed segment, a proof, checkpoints and both keys, each with a mark."""
    folder = tmp_path_factory.mktemp("marked")
    plain = {name: folder / name for name in ("key", "verifier", "signed", "q.jsonl", "e.proof")}
    sign = ["checkpoint", "--journal", RECORDED, "--key", plain["key"]]
    plain["verifier"].write_text(call(*sign, "--new-key", "example.org/s").stdout)
    call(*sign, "--to", plain["signed"])
    seal = ["export", "--journal", RECORDED, "--checkpoints", plain["signed"]]
    call(*seal, "--from", 50, plain["q.jsonl"])
    call(*seal, "--entry", 45, plain["e.proof"].with_suffix(".tlog-proof"))
    plain["e.proof"] = plain["e.proof"].with_suffix(".tlog-proof")
    plain["all.jsonl"] = folder / "all.jsonl"
    plain["all.jsonl"].write_bytes(RECORDED.read_bytes())
    for file in plain.values():
        file.write_bytes(BOM_UTF8 + file.read_bytes())
    return plain


@pytest.mark.parametrize(
    "options",
    [
        ["--journal", "all.jsonl"],
        ["--journal", "all.jsonl", "--checkpoints", "signed", "--verifier", "verifier"],
        ["--journal", "q.jsonl", "--verifier", "verifier"],
        ["--proof", "e.proof", "--verifier", "verifier"],
    ],
)
def test_what_verify_reads(files, options):
    done = call("verify", *(files.get(option, option) for option in options))
    assert done.exit_code == 0, done.output


def test_what_others_read(files):
    newest = call("log", "--json", "-n", "1", "--journal", files["all.jsonl"])
    assert json.loads(newest.stdout)["seq"] == 76
    signed = call("checkpoint", "--journal", RECORDED, "--key", files["key"])
    assert signed.exit_code == 0, signed.output
