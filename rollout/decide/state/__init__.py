"""The state of a rollout and its legal phase changes; nothing is judged here."""
