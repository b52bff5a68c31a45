"""One tick for all rollouts: observe, decide, journal, route, confirm, in that order."""
