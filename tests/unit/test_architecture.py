"""The import contracts bite: one deliberate violation of each, in a copy of the packages."""

import shutil
import subprocess
import sys
import tomllib
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LINT = Path(sys.executable).with_name("lint-imports")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
CONTRACTS = PROJECT["tool"]["importlinter"]["contracts"]

VIOLATIONS = {
    "direction": ("rollout.decide.record.split", "import rollout.ports"),
    "doors": ("rollout.observe.parse", "import prometheus_api_client"),
    "analysis": ("analysis.counting.cursor", "from time import time"),
    "within-analysis": ("analysis.rates.rate", "import analysis.verdict.verdict"),
    "plan": ("rollout.plan.model.plan", "from datetime import datetime"),
    "within-plan": ("rollout.plan.fields.units", "import rollout.plan.model.plan"),
    "decide": ("rollout.decide.record.facts", "import socket"),
    "within-decide": ("rollout.decide.evidence.update", "import rollout.decide.rules.safety"),
    "pure-halves": ("rollout.route.kube.patch", "import io"),
    "route": ("rollout.route.kube.router", "import rollout.route.mesh_router"),
    "within-a-tick": ("rollout.tick.propose", "import rollout.tick.deliver"),
    "tick": ("rollout.tick", "import rollout.journal.sql.store"),
    "within-stories": ("rollout.stories.world.world", "import rollout.stories.play"),
    "stories": ("rollout.stories.play", "import time"),
    "wire": ("rollout.cli", "import rollout.observe.prometheus"),
    "operate": ("rollout.operate.status.status", "import time"),
    "mesh-document": ("rollout.mesh_document.splits", "import time"),
    "within-mesh-document": (
        "rollout.mesh_document.policy",
        "import rollout.mesh_document.splits",
    ),
    "within-cli": ("rollout.cli.text.screen", "import rollout.cli.inspect.status"),
    "beside": ("rollout.metrics.meter", "import time"),
}


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """The packages and their contracts, once; each test leaves them as they were."""
    folder = tmp_path_factory.mktemp("packages")
    for package in ("rollout", "analysis"):
        shutil.copytree(ROOT / package, folder / package)
    shutil.copy(ROOT / "pyproject.toml", folder)
    return folder


@contextmanager
def appended(root, module, line):
    """While this lasts, a module has one more line."""
    path = root.joinpath(*module.split("."))
    path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    before = path.read_text()
    path.write_text(f"{before}\n\n{line}\n")
    yield
    path.write_text(before)


def lint(root, *options):
    command = [LINT, "--no-logo", "--no-cache", *options]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


def test_the_code_keeps_every_contract(copy):
    assert f"Contracts: {len(CONTRACTS)} kept, 0 broken." in lint(copy)


@pytest.mark.parametrize("contract", [contract["id"] for contract in CONTRACTS])
def test_a_violation_is_caught(copy, contract):
    module, line = VIOLATIONS[contract]
    with appended(copy, module, line):
        report = lint(copy, "--contract", contract)
    assert "Contracts: 0 kept, 1 broken." in report
    assert module in report
