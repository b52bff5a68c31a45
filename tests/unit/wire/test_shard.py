"""Where a shard's Lease lies, and what may not have one."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from rollout.cli import surefoot
from rollout.errors import InputError
from rollout.wire.shard import Shard

URL = "postgresql://surefoot@postgres/surefoot"


@pytest.mark.parametrize(
    ("namespace", "lease", "lease_location"),
    [
        ("clinical-ai", "surefoot", ("clinical-ai", "surefoot")),
        ("clinical-ai", "ops/surefoot", ("ops", "surefoot")),
        (None, "ops/surefoot", ("ops", "surefoot")),
    ],
)
def test_a_lease_lies_in_the_shard_s_namespace_or_where_it_says(namespace, lease, lease_location):
    assert Shard(URL, namespace, lease).place == lease_location


@pytest.mark.parametrize("lease", ["surefoot", "ops/"])
def test_a_lease_for_all_namespaces_names_its_own(lease):
    with pytest.raises(InputError, match="NAMESPACE/NAME"):
        _ = Shard(URL, None, lease).place


@pytest.mark.parametrize("journal", [Path("/data/journal.db"), "sqlite:////data/journal.db"])
def test_a_journal_in_a_file_is_one_replica_s(journal):
    with pytest.raises(InputError, match="a Lease needs postgresql"):
        _ = Shard(journal, "clinical-ai", "surefoot").place


def test_the_command_says_so_before_it_does_anything(tmp_path, monkeypatch):
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    command = ["operate", "-n", "ns", "--lease", "x", "--journal", str(tmp_path / "j.db")]
    done = CliRunner().invoke(surefoot, command)
    assert done.exit_code == 2
    assert "a Lease needs postgresql" in done.output
