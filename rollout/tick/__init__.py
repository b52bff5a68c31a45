"""One tick for the whole fleet: observe, decide, journal, route, confirm; in that order."""
