"""Rehearses a plan before it runs: many simulated rollouts give its operating characteristics."""
