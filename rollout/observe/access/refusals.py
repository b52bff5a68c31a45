"""What a server's refusal means, and what helps: by its status, and by its own sentence."""

from __future__ import annotations

import re

_SLOW = (
    "the query took too long",
    "give it an access with a longer `timeout`, or raise its own limit (`--query.timeout`)",
)
_REFUSALS = {
    400: ("it cannot read the query", "see what stands before it: is it a Prometheus?"),
    401: ("access denied", ""),
    403: ("access denied", ""),
    404: ("there is no Prometheus API", "mend the path of the URL: `/api/v1/query` follows it"),
    407: ("the proxy before it asks for credentials", "name them in HTTP_PROXY, or use NO_PROXY"),
    405: ("it takes no POST", "let the proxy before it pass POST to `/api/v1/query`"),
    422: ("it cannot carry out the query", "is it too large? Raise the server's limits"),
    413: ("the query is too long", "let the proxy before it pass larger bodies"),
    429: ("it is overloaded", "raise the limits for this user or tenant, or `interval`"),
    500: ("it fails", "see its own log"),
    502: ("the proxy before it does not reach it", "see whether Prometheus runs"),
    503: ("it is overloaded or starting", "wait, or see why it does not become ready"),
    504: _SLOW,
}
# What a server says of itself tells more than its status.
_SENTENCES = (
    (
        re.compile(r"\bHTTP request to an HTTPS server", re.IGNORECASE),
        ("it speaks TLS", "write https://"),
    ),
    (
        # Our queries are sound: what older servers cannot read of them are quoted names.
        re.compile(r"parse error|unexpected (token|string)|cannot parse", re.IGNORECASE),
        (
            "it cannot read the query",
            "names with dots need Prometheus 3; without any: is it a Prometheus?",
        ),
    ),
    (re.compile(r"timed out|timeout", re.IGNORECASE), _SLOW),
)
_BY_SENTENCE = {400, 422, 503}
_DENIED = {
    (401, False): "name an access with its credentials: `prometheus: {access: NAME}`",
    (401, True): "renew the token or the password of the access",
    (403, False): "name an access that may ask this: `prometheus: {access: NAME}`",
    (
        403,
        True,
    ): "let the user of the access query this, or name its tenant in `headers` or `query`",
}
# What OpenSSL says of a certificate that it does not trust, and what helps.
_UNTRUSTED = (
    ("not yet valid", "synchronise the clocks (NTP), or wait until it is valid"),
    ("expired", "renew the certificate: of the server, or of a CA above it"),
    ("mismatch", "write the host in the URL as the certificate has it, or add it to that one"),
)
_TRUST = "name the CA as `ca` of the access, or in SSL_CERT_FILE"


def choose_reason(code: int, text: str, *, has_access: bool) -> tuple[str, str]:
    """Return what a status means, with the sentence beside it, and a cure."""
    for words, explanation in _SENTENCES if code in _BY_SENTENCE else ():
        if words.search(text):
            return explanation
    reason, cure = _REFUSALS.get(code, ("no success", ""))
    return reason, _DENIED.get((code, has_access), cure)


def choose_trust(reason: str) -> str:
    """Return what helps where OpenSSL does not trust a certificate."""
    return next((cure for word, cure in _UNTRUSTED if word in reason.lower()), _TRUST)
