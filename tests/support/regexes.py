"""Regular expressions that a plan may hold; the live tests give each to a real Envoy."""

TAKEN = (
    "icu-.*",
    "|".join(f"ward-{number}" for number in range(50)),
    r"[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}",
    "(a{10}){100}",
    r"\\1[]a\]]+[[:alpha:]-]",
    "(?i)a|(?s:.)|(?P<ward>b)|(?-i:c)",
    r"^\A\bé\d\w\s\D\W\S\x41\.\-$",
    "a{2,}b{,3}c??d*?",
)
