"""Statistics of progressive delivery: pure, vectorised; no rollouts, clusters or clocks here.

Each name below has one meaning and one unit throughout; a docstring states any exception.

    e_c, e_s, exposures: exposures of the canary (c) and of stable (s), counts of requests or labels
    x_c, x_s, bad: their bad units, counts
    n: bad units of both arms, a count
    n_c: exposures of the canary over all counted looks, a count
    counts, canary, stable, past, history, buckets: units per bucket or kind, counts
    p_c, p_s: shares of bad units, or of the units in each bucket, 0 to 1
    q_s, q_a: shares of the units in each bucket, 0 to 1
    share: the canary's share of traffic or of bad units, 0 to 1
    rho: units of the canary for each unit of stable
    odds: rho times the margin's ratio
    ratio, absolute: the margin: a factor on stable's share, 1 or more, and a share added to it
    alpha, beta, level, error: error probabilities, 0 to 1
    logs, log, log_harm, log_safe, A, B, capital: natural logarithms of capital that starts at 1
    state: a rollout's `robust_test.RobustState` in one array, of logs, sums and counts
    weights, importance: weights in a mean, positive
    look_weight: the fraction of a look's evidence that counts, 0 to 1
    log_divisor: the divisor of all log-capital, 1 or more
    edges: upper ends of buckets, in the metric's own unit
    cuts, step: edges and a shift of them on the scale of badness: logarithms if relative
    boundary: an index into the edges, from 0
    pods_canary: pods, a count
    shape: numbers of rollouts, looks and pods
    rollouts, looks, ticks: numbers of them
"""
