"""Let `python -m rollout.cli` run the command where it is not on the path."""

import sys
from pathlib import Path

# The folder in which a user stands may have an `analysis` of its own: what is installed is first.
if sys.path[0] == str(Path.cwd()) != str(Path(__file__).parents[2]):
    sys.path.append(sys.path.pop(0))

from rollout.cli import main

main()
