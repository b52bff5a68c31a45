"""Statistics of progressive delivery: pure, vectorised; no rollouts, clusters or clocks here."""
