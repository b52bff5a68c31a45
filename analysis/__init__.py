"""Statistics of progressive delivery: pure, vectorised, ignorant of rollouts, clusters and clocks."""
