"""`python -m rollout.cli`, for where the command is not on the path."""

from rollout.cli import main

main()
