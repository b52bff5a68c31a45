"""Let `python -m rollout.cli` run the command where it is not on the path."""

from rollout.cli import main

main()
