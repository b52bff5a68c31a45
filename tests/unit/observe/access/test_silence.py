"""What is told of a server that gives no usable answer, and the cure that fits."""

from __future__ import annotations

import pytest
from requests import exceptions

from rollout.observe.access.address import is_loopback
from rollout.observe.client import describe_silence

UNTRUSTED = "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: {} (_ssl.c:992)"


@pytest.mark.parametrize(
    ("reason", "cure"),
    [
        ("certificate has expired", "renew the certificate"),
        ("certificate is not yet valid", "synchronise the clocks"),
        ("Hostname mismatch, certificate is not valid for 'p'.", "write the host in the URL"),
        ("IP address mismatch, certificate is not valid for '1'.", "write the host in the URL"),
        ("self-signed certificate", "name the CA as `ca`"),
        ("unable to get local issuer certificate", "name the CA as `ca`"),
    ],
)
def test_why_a_certificate_is_not_trusted_decides_on_the_cure(reason, cure):
    words, advice = describe_silence(exceptions.SSLError(UNTRUSTED.format(reason)), 5.0)
    assert words.startswith(f"its certificate is not trusted ({reason[:20]}")
    assert advice.startswith(cure)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (exceptions.ProxyError("Tunnel connection failed: 407 Proxy"), "the tunnel (HTTP 407)"),
        (exceptions.ProxyError("connection refused"), "no answer (connection refused)"),
        (exceptions.InvalidSchema("Missing dependencies for SOCKS support."), "SOCKS"),
    ],
)
def test_a_proxy_that_is_the_reason_is_named(error, words):
    reason, cure = describe_silence(error, 5.0)
    assert reason.startswith("its proxy ")
    assert words in reason
    assert "NO_PROXY" in cure


@pytest.mark.parametrize(
    "host",
    ["localhost", "LOCALHOST", "localhost.", "127.0.0.1", "127.8.0.1", "[::1]", "a.localhost"],
)
def test_no_proxy_stands_before_this_machine(host):
    assert is_loopback(f"http://{host}:9090/prometheus")


@pytest.mark.parametrize("host", ["localhost.example.org", "128.0.0.1", "[::2]", "prom", "[bad"])
def test_any_other_host_is_elsewhere(host):
    assert not is_loopback(f"http://{host}:9090")
