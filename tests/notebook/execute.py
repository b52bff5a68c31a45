"""Execute notebooks in a fresh kernel of this interpreter; as a script, in place.

`python tests/notebook/execute.py` writes what the committed notebooks show of the recorded journal:
without timings, and with pictures in as few colours as they need.
"""

from __future__ import annotations

import base64
import io
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nbformat
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from PIL import Image

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
_COLOURS = 128
DEFAULTS = {"SUREFOOT_JOURNAL": "", "SUREFOOT_ROLLOUT": ""}
"""What a notebook shows of itself: the committed recording."""


def execute(
    path: Path, env: Mapping[str, str] | None = None, replaced: tuple[str, str] = ("", "")
) -> Any:
    """The notebook with new outputs, run in its own folder; raises CellExecutionError.

    In its cells the first text of `replaced` becomes the second one; two empty ones change nothing.
    """
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        cell.source = cell.source.replace(*replaced)
    manager = AsyncKernelManager(kernel_spec_manager=KernelSpecManager(kernel_dirs=[]))
    client = NotebookClient(
        notebook,
        km=manager,
        timeout=100,
        record_timing=False,
        resources={"metadata": {"path": str(path.parent)}},
    )
    # The manager is ours, so we say that the kernel is to be stopped at the end.
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **(env or {})}
    client.execute(cleanup_kc=True, env=environment)
    return notebook


def shrink(notebook: Any) -> None:
    """Pictures in a palette: a sixth of the size, the same to the eye."""
    for cell in notebook.cells:
        for output in cell.get("outputs", ()):
            if png := output.get("data", {}).get("image/png"):
                output["data"]["image/png"] = _smaller(png)


def _smaller(png: str) -> str:
    picture = Image.open(io.BytesIO(base64.b64decode(png))).convert("RGB")
    packed = io.BytesIO()
    picture.quantize(_COLOURS, dither=Image.Dither.NONE).save(packed, "PNG", optimize=True)
    return base64.b64encode(packed.getvalue()).decode()


def main() -> None:
    for path in NOTEBOOKS:
        notebook = execute(path, DEFAULTS)
        shrink(notebook)
        nbformat.write(notebook, path)
        sys.stdout.write(f"{path.relative_to(ROOT)}: {path.stat().st_size / 1000:.0f} kB\n")


if __name__ == "__main__":
    main()
