"""The HTTP session to one server: credentials, certificates, proxies, and what a refusal says."""

from __future__ import annotations

import html
import os
import re
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

import requests
from pydantic_core import from_json
from requests.utils import get_environ_proxies, get_netrc_auth
from urllib3.exceptions import HTTPError

from rollout.answers.http import Limits, UnledSession, read_body
from rollout.errors import ObserveError
from rollout.observe.access.address import split_parameters
from rollout.observe.access.credentials import AskedServer, hide
from rollout.plan.reading.positions import shown
from rollout.redact import redact

LIMITS = Limits(times=2.0, most=256 * 2**20)
"""Of one answer: 44,000 series with the samples of an hour have as many bytes."""

_LOOPBACK = {"127.0.0.1", "::1", "localhost"}
# As Python, OpenSSL, curl and Go have them; the first that is set.
_BUNDLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR")
_PARTIAL = re.compile(rb'"(warnings|isPartial)"\s*:')
_LONGEST = 200  # characters of a server's sentence
_READ = 4096  # of its bytes
_REFUSAL = 1024 * 1024  # bytes of a whole refusal; a larger one is told without its sentence
_LARGE = re.compile(r"an answer of more than [\w ,]+")
_REFUSALS = {
    400: ("it cannot read the query", "see what stands before it: is it a Prometheus?"),
    401: ("access denied", ""),
    403: ("access denied", ""),
    404: ("there is no Prometheus API", "mend the path of the URL: `/api/v1/query` follows it"),
    405: ("it takes no POST", "let the proxy before it pass POST to `/api/v1/query`"),
    422: ("it cannot carry out the query", "is it too large? Raise the server's limits"),
    429: ("it is overloaded", "raise the limits for this user or tenant, or `interval`"),
    503: ("it is overloaded or starting", "wait, or see why it does not become ready"),
}
_DENIED = {
    (401, False): "name an access with its credentials: `prometheus: {access: NAME}`",
    (401, True): "renew the token or the password of the access",
    (403, False): "name an access that may ask this: `prometheus: {access: NAME}`",
    (
        403,
        True,
    ): "let the user of the access query this, or name its tenant in `headers` or `query`",
}


class QueryRefusedError(ObserveError):
    """The server answered with another status than 200."""

    def __init__(self, message: str, cure: str, code: int) -> None:
        self.code = code
        super().__init__(message, cure)


class PrometheusSession(UnledSession):
    """A session that sends the query in the body and reads only whole, usable answers.

    The client does none of this. Nothing is followed to another address: a redirect is a refusal.
    Secrets are read at each request. Raises what `requests` and urllib3 raise, and ObserveError.
    `answered_at` is when the newest answer was sent, in unix seconds by its server's clock.
    """

    def __init__(self, target: AskedServer) -> None:
        super().__init__()
        self._target = target
        self.answered_at: float | None = None
        # The environment would overrule the access: ~/.netrc its header, a bundle its CA.
        self.trust_env = False
        if urlsplit(target.base).hostname not in _LOOPBACK:
            self.proxies = get_environ_proxies(target.base)
        self.verify = target.path_of_ca or _find_bundle()
        self.cert = target.paths_of_certificate
        if target.access is None:
            self.auth = get_netrc_auth(target.base)

    def request(self, *args: Any, **options: Any) -> Any:
        # The client puts the query in the URL; a fleet's query is too long there for most servers.
        options["data"] = options.pop("params")
        options["params"] = list(self._target.parameters)
        options["headers"] = self._target.read_headers()
        options["stream"] = True
        with super().request(*args, **options) as response:
            self.answered_at = _read_date(response.headers.get("date"))
            if response.status_code != requests.codes.ok:
                raise _explain_refusal(response, self._target, options["headers"])
            body = read_body(response, LIMITS.most)
        # Of a large answer this takes half the time, and label names are there only once.
        document = from_json(body, cache_strings="keys")
        is_partial = _PARTIAL.search(body) and isinstance(document, dict)
        if is_partial and (document.get("warnings") or document.get("isPartial")):
            warnings = document.get("warnings") or ()
            sentence = _clean("; ".join(map(str, warnings)), options["headers"])
            raise ObserveError(f"Prometheus warns that its answer is incomplete{sentence}")
        return _ReadAnswer(document)


@dataclass(frozen=True)
class _ReadAnswer:
    """What the client needs of an answer that was read already."""

    document: Any
    status_code: int = requests.codes.ok

    def json(self) -> Any:
        return self.document


def _read_date(text: str | None) -> float | None:
    """Return the middle of the second that a header tells; None where it tells none."""
    try:
        return parsedate_to_datetime(text or "").timestamp() + 0.5
    except (ValueError, OverflowError, OSError):
        return None


def _find_bundle() -> str | bool:
    """Return the trusted certificates that the environment names; True for the built-in ones."""
    return next(filter(None, map(os.environ.get, _BUNDLES)), True)


def _explain_refusal(
    response: requests.Response, target: AskedServer, headers: dict[str, str]
) -> QueryRefusedError:
    """Return the server's answer as an error, in its own words where it has any."""
    code = response.status_code
    if response.is_redirect:
        where, _ = split_parameters(response.headers["location"])
        reason = f"it redirects to {_quote(where, headers)}"
        cure = "name the address of Prometheus itself; a redirect is not followed"
    else:
        reason, cure = _REFUSALS.get(code, ("no success", ""))
        cure = _DENIED.get((code, target.access is not None), cure)
    sentence = _clean(_read_sentence(response), headers)
    message = f"Prometheus at {target.host} refuses: {reason} (HTTP {code}){sentence}"
    return QueryRefusedError(message, cure, code)


def _read_sentence(response: requests.Response) -> str:
    """Return what a refusal says: the `error` of Prometheus' JSON, else its plain text."""
    try:
        content = read_body(response, _REFUSAL)
    except (OSError, ValueError, HTTPError):
        return ""
    try:
        body = from_json(content)
        text = body.get("error") or body.get("message") if isinstance(body, dict) else ""
    except ValueError:
        text = content[:_READ].decode(errors="replace")
        if "<" in text:  # a page: its title says most
            title = re.search(r"<title[^>]*>(.*?)</title>", text, re.IGNORECASE | re.DOTALL)
            text = html.unescape(title[1] if title else "")
    return text if isinstance(text, str) else ""


def _clean(text: str, headers: dict[str, str]) -> str:
    """Return a server's sentence to be put behind ours; empty where it says nothing."""
    # Values of labels stay out of journals, and servers quote the query.
    text = re.sub(r"(=~?|!=|!~)\s*\"[^\"]*\"", r'\1"***"', text)
    quoted = _quote(text, headers)
    return f': "{quoted}"' if quoted else ""


def _quote(text: str, headers: dict[str, str]) -> str:
    return shown(" ".join(redact(hide(text, headers)).split()), _LONGEST)


def describe_silence(error: OSError | HTTPError, timeout: float) -> tuple[str, str]:
    """Return why no usable answer came, without the request in it, and the cure (or nothing)."""
    text = str(error)
    if isinstance(error, requests.Timeout) or "timed out" in text:
        cure = "give it an access with a longer `timeout`, if it needs more"
        return f"nothing within {timeout:g} s", cure
    if isinstance(error, requests.exceptions.SSLError):
        return _describe_tls(text)
    if large := _LARGE.search(text):
        return large[0], "drop labels of its series that no guardrail reads"
    if not isinstance(error, requests.RequestException | HTTPError):
        cure = f"mend the files of the access, or {' or '.join(_BUNDLES)}"
        return "the certificates to check it with cannot be read", cure
    reasons = {"refused": "connection refused", "resolve": "unknown host"}
    reason = next((reason for word, reason in reasons.items() if word in text), "connection lost")
    return reason, ""


def _describe_tls(text: str) -> tuple[str, str]:
    if reason := re.search(r"verify failed: ([^(]*[^( ])", text):
        cure = "name the CA as `ca` of the access, or in SSL_CERT_FILE"
        return f"its certificate is not trusted ({shown(reason[1], 80)})", cure
    if "WRONG_VERSION_NUMBER" in text or "record layer" in text:
        return "it does not speak TLS", "write http://"
    # Whether its alert can still be read depends on who is first to close.
    cure = "if it asks for a client certificate, name one as `certificate` of the access"
    return "it breaks the TLS connection off", cure
