"""The HTTP session to one server: credentials, certificates, proxies, and what a refusal says."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any

import requests
from pydantic_core import from_json
from requests.utils import get_environ_proxies, select_proxy
from urllib3.exceptions import HTTPError, LocationParseError
from urllib3.util import parse_url

from rollout.answers.http import Limits, UnledSession, read_body
from rollout.answers.json_text import check_values
from rollout.errors import ObserveError, QueryRefusedError
from rollout.observe.access.address import check_alike, is_loopback, split_parameters
from rollout.observe.access.certificates import BUNDLES, find_bundle
from rollout.observe.access.credentials import AskedServer, hide
from rollout.observe.access.label_values import hide_values
from rollout.observe.access.netrc_file import find_login
from rollout.observe.access.refusals import choose_reason, choose_trust
from rollout.observe.bulk.row_texts import read_answer
from rollout.plan.reading.positions import shown
from rollout.redact import redact

LIMITS = Limits(times=2.0, most=256 * 2**20)
"""Of one answer: 44,000 series with the samples of an hour have as many bytes."""

_MOST_VALUES = 40_000_000  # of one answer; each sample has three
_SUCCESS = "success"
_LARGE = re.compile(r"an answer of more than [\w ,]+")
_PROXY = "mend HTTP_PROXY or HTTPS_PROXY, or name the host in NO_PROXY"
_LONGEST = 200  # characters of a server's sentence
_READ = 4096  # of its bytes or characters that are looked at
_REFUSAL = 1024 * 1024  # bytes of a whole refusal; a larger one is told without its sentence


class PrometheusSession(UnledSession):
    """A session that sends the query in the body and reads only whole, usable answers.

    The client does none of this. Nothing is followed to another address: a redirect is a refusal.
    Secrets are read at each request. Raises ValueError for an address that is none, what `requests`
    and urllib3 raise, and ObserveError.
    `answered_at` is when the newest answer was sent, in unix seconds by its server's clock.
    """

    def __init__(self, target: AskedServer) -> None:
        super().__init__()
        check_alike(target.base)
        self._target = target
        self.answered_at: float | None = None
        # The environment would overrule the access: ~/.netrc its header, a bundle its CA.
        self.trust_env = False
        if not is_loopback(target.base):
            self.proxies = _find_proxies(target.base)
        _, bundle = find_bundle() or ("", True)
        self.verify = target.path_of_ca or bundle
        self.cert = target.paths_of_certificate
        if target.access is None:
            self.auth = find_login(target.base)

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
        check_values(body, _MOST_VALUES)
        document = read_answer(body)
        if isinstance(document, dict) and document.get("status", _SUCCESS) != _SUCCESS:
            sentence = _clean(_find_sentence(document), options["headers"])
            raise ObserveError(f"Prometheus tells of an error with HTTP 200{sentence}")
        is_object = isinstance(document, dict)
        if is_object and (document.get("warnings") or document.get("isPartial")):
            warnings = document.get("warnings") or ()
            sentence = _clean("; ".join(map(str, warnings)), options["headers"])
            raise ObserveError(f"Prometheus warns that its answer is incomplete{sentence}")
        return _ReadAnswer(document)


def _find_proxies(base: str) -> dict[str, str]:
    """Return the proxies of the environment for an address. Raises ObserveError."""
    proxies = get_environ_proxies(base)
    try:
        parse_url(select_proxy(base, proxies) or "")
    except LocationParseError:
        raise ObserveError("the address of its proxy cannot be read", _PROXY) from None
    return proxies


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


def _explain_refusal(
    response: requests.Response, target: AskedServer, headers: dict[str, str]
) -> QueryRefusedError:
    """Return the server's answer as an error, in its own words where it has any."""
    code, text = response.status_code, _read_sentence(response)
    if response.is_redirect:
        where, _ = split_parameters(response.headers["location"])
        reason = f"it redirects to {_quote(where, headers)}"
        cure = "name the address of Prometheus itself; a redirect is not followed"
    else:
        reason, cure = choose_reason(code, text, has_access=target.access is not None)
    sentence = _clean(text, headers)
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
        return _find_sentence(body) if isinstance(body, dict) else ""
    except ValueError:
        text = content[:_READ].decode(errors="replace")
        if "<" in text:  # a page: its title says most
            title = re.search(r"<title[^>]*>(.*?)</title>", text, re.IGNORECASE | re.DOTALL)
            text = html.unescape(title[1] if title else "")
    return text


def _find_sentence(body: Mapping[str, Any]) -> str:
    text = body.get("error") or body.get("message")
    return text if isinstance(text, str) else ""


def _clean(text: str, headers: dict[str, str]) -> str:
    """Return a server's sentence to be put behind ours; empty where it says nothing."""
    text = _cut(hide(text, headers))  # before patterns walk through it
    quoted = _quote(hide_values(text), headers)
    return f': "{quoted}"' if quoted else ""


def _cut(text: str) -> str:
    """Return the beginning of a text, without an address that it breaks off in.

    What hides a password in one would not find its end.
    """
    before, space, last = text[:_READ].rpartition(" ")
    return before if len(text) > _READ and "://" in last else f"{before}{space}{last}"


def _quote(text: str, headers: dict[str, str]) -> str:
    return shown(" ".join(redact(_cut(hide(text, headers))).split()), _LONGEST)


def describe_silence(error: OSError | HTTPError, timeout: float) -> tuple[str, str]:
    """Return why no usable answer came, without the request in it, and the cure (or nothing)."""
    text = str(error)
    if proxy := _describe_proxy(error, text):
        return proxy, _PROXY
    if isinstance(error, requests.Timeout) or "timed out" in text:
        cure = "give it an access with a longer `timeout`, if it needs more"
        return f"nothing within {timeout:g} s", cure
    if isinstance(error, requests.exceptions.SSLError):
        return _describe_tls(text)
    if large := _LARGE.search(text):
        return large[0], "drop labels of its series that no guardrail reads"
    if not isinstance(error, requests.RequestException | HTTPError):
        cure = f"mend the files of the access, or {' or '.join(BUNDLES)}"
        return "the certificates to check it with cannot be read", cure
    return _describe_loss(text), ""


def _describe_loss(text: str) -> str:
    reasons = {"refused": "connection refused", "resolve": "unknown host"}
    return next((reason for word, reason in reasons.items() if word in text), "connection lost")


def _describe_proxy(error: OSError | HTTPError, text: str) -> str:
    """Return what a proxy of the environment does; empty where it is not the reason."""
    if isinstance(error, requests.exceptions.InvalidSchema) and "SOCKS" in text:
        return "its proxy speaks SOCKS, which is not supported"
    if not isinstance(error, requests.exceptions.ProxyError):
        return ""
    if code := re.search(r"Tunnel connection failed: (\d{3})", text):
        return f"its proxy refuses the tunnel (HTTP {code[1]})"
    return f"its proxy gives no answer ({_describe_loss(text)})"


def _describe_tls(text: str) -> tuple[str, str]:
    if reason := re.search(r"verify failed: ([^(]*[^( ])", text):
        cure = choose_trust(reason[1])
        return f"its certificate is not trusted ({shown(reason[1], 80)})", cure
    if "WRONG_VERSION_NUMBER" in text or "record layer" in text:
        return "it does not speak TLS", "write http://"
    # Whether its alert can still be read depends on who is first to close.
    cure = "if it asks for a client certificate, name one that it trusts as `certificate`"
    return "it breaks the TLS connection off", cure
