"""The container image: locked packages, a base by its digest, nothing of the builder's machine."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tomllib
from fnmatch import fnmatch

import pytest
from packaging.requirements import Requirement

from tests.support.manifests import MANIFESTS, ROOT

DIGEST = f"sha256:{'a' * 64}"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
EXTRAS = PROJECT["project"]["optional-dependencies"]
LOCKS = {
    "requirements.txt": [*PROJECT["project"]["dependencies"], *EXTRAS["postgres"]],
    "requirements-build.txt": PROJECT["build-system"]["requires"],
}


PIN = re.compile(r"^([a-z0-9-]+)==(\S+)((?: \\\n    --hash=sha256:[0-9a-f]{64})+)$", re.MULTILINE)


@pytest.mark.parametrize("name", LOCKS)
def test_every_dependency_is_locked_by_its_hashes(name):
    text = (MANIFESTS / name).read_text()
    assert "://" not in text
    versions = {package: version for package, version, _ in PIN.findall(text)}
    assert len(versions) == text.count("==")
    for requirement in map(Requirement, LOCKS[name]):
        assert requirement.specifier.contains(versions[requirement.name]), requirement


def steps(word):
    """The commands, or the words, of the Dockerfile's lines that begin with a word."""
    lines = (MANIFESTS / "Dockerfile").read_text().replace("\\\n", " ").splitlines()
    return [line.removeprefix(f"{word} ") for line in lines if line.startswith(f"{word} ")]


def test_the_image_installs_what_is_locked():
    commands = [command for step in steps("RUN") for command in step.split("&&")]
    installs = [command for command in commands if "pip install" in command]
    assert len(installs) == 3
    for command in installs:
        is_locked = "--require-hashes" in command and "--only-binary=:all:" in command
        assert is_locked or "--no-deps --no-index" in command, command
    assert steps("FROM") == ["${BASE} AS build", "${BASE}"]


def test_the_image_sees_only_what_it_needs():
    first, *entries = (ROOT / ".dockerignore").read_text().split()
    allowed = [entry[1:] for entry in entries if entry[0] == "!"]
    copied = [path for step in steps("COPY") for path in step.split()[:-1] if path[:2] != "--"]
    assert first == "*"
    assert all(any(fnmatch(path, entry) for entry in allowed) for path in copied[:-1])
    assert len(allowed) == 6, "what nothing copies is not sent"


@pytest.fixture
def run(tmp_path):
    """Run a script of a copy of `.ci` with programs of ours in front of the machine's."""
    shutil.copytree(ROOT / ".ci", tmp_path / ".ci")

    def run_script(script, programs, **environment):
        for name, body in programs.items():
            program = tmp_path / name
            program.parent.mkdir(parents=True, exist_ok=True)
            program.write_text(f"#!/bin/sh\n{body}\n")
            program.chmod(0o755)
        path = {"PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}"}
        return subprocess.run(
            [tmp_path / ".ci" / script],
            env={**path, **environment},
            capture_output=True,
            text=True,
            check=False,
        )

    return run_script


@pytest.mark.parametrize(
    ("base", "answer", "built"),
    [
        (f"registry.test/python@{DIGEST}", "false", f"registry.test/python@{DIGEST}"),
        ("", f"echo {DIGEST}", f"python:3.11-slim@{DIGEST}"),
        ("python:3.12", f"echo {DIGEST}", f"python:3.12@{DIGEST}"),
        ("", "false", None),
        ("", "echo", None),
    ],
)
def test_an_image_is_built_from_a_digest(run, base, answer, built):
    docker = f'case "$1" in buildx) {answer} ;; *) echo "$@" ;; esac'
    done = run("image", {"bin/docker": docker}, BASE=base, IMAGE="surefoot:1")
    if built is None:
        assert (done.returncode, "BASE=" in done.stderr, "build" in done.stdout) == (1, True, False)
    else:
        assert f"--build-arg BASE={built} --tag surefoot:1" in done.stdout


@pytest.mark.parametrize(("code", "words"), [(0, "no known vulnerability"), (1, "needs a network")])
def test_an_audit_without_answers_fails(run, code, words):
    # pip-audit ends with 1 for a vulnerability, and with --strict for a package without an answer.
    python = f'case "$*" in *"pip_audit --strict"*) exit {code} ;; esac'
    done = run("audit", {".venv/bin/python": python})
    assert (done.returncode, words in done.stdout + done.stderr) == (code, True)
