"""A plan's operating characteristics before it runs: many rollouts of it in simulated worlds."""
