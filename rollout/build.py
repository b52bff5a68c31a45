"""Which build of Surefoot this is: its version, and a digest of the code that runs."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

import analysis
import rollout

_LETTERS = 12


@cache
def read_build() -> str:
    """Return the version and the digest of all modules, such as `0.1.0+4c1d0f2a9b3e`.

    A version alone does not tell two commits apart, and rules may differ between them.
    """
    digest = hashlib.sha256()
    for package in (rollout, analysis):
        folder = Path(str(package.__file__)).parent
        for module in sorted(folder.rglob("*.py")):
            digest.update(f"{package.__name__}/{module.relative_to(folder)}\0".encode())
            digest.update(hashlib.sha256(module.read_bytes()).digest())
    return f"{rollout.__version__}+{digest.hexdigest()[:_LETTERS]}"
