"""What a name leads to is checked when it is connected to; servers listen on this machine."""

import ipaddress
import socket

import pytest
import requests

from rollout.answers import link_local
from rollout.answers.guarded import guard
from rollout.answers.http import Limits
from rollout.errors import AddressError
from tests.support.recording_server import serving

LIMITS = Limits(seconds=2)
NAME = "prometheus.example"


@pytest.fixture
def session():
    with requests.Session() as opened:
        opened.trust_env = False
        guard(opened, LIMITS)
        yield opened


@pytest.fixture
def leads_to(monkeypatch):
    """Let the name lead to these addresses, one after another; the last one stays."""
    real = socket.getaddrinfo

    def set_addresses(*addresses):
        left = [*addresses]

        def look_up(host, port, *args, **options):
            if host == NAME:
                host = left.pop(0) if len(left) > 1 else left[0]
            return real(host, port, *args, **options)

        monkeypatch.setattr(socket, "getaddrinfo", look_up)

    return set_addresses


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_name_that_leads_to_a_metadata_service_is_not_connected_to(session, leads_to, scheme):
    leads_to("169.254.169.254")
    with pytest.raises(AddressError):
        session.get(f"{scheme}://{NAME}/latest/meta-data", timeout=1)


def test_a_name_that_leads_elsewhere_a_moment_later_gets_no_request(session, leads_to, monkeypatch):
    refused = (ipaddress.ip_network("127.0.0.2/32"),)
    monkeypatch.setattr(link_local, "_REFUSED", refused)
    with serving(address="127.0.0.2") as server:
        leads_to("127.0.0.1", "127.0.0.2")
        with pytest.raises(AddressError):
            session.get(f"http://{NAME}:{server.port}/", timeout=1)
        assert server.paths == []


def test_a_redirect_to_one_is_not_followed(session):
    with serving(status=307, location="http://2852039166/latest") as server:
        with pytest.raises(AddressError):
            session.post(server.url, timeout=1)
        assert server.paths == ["/"]


def test_every_address_is_asked_for_permission_redirects_too():
    with serving() as other, serving(status=307, location=other.url) as server:

        def permit(url):
            if url.startswith(other.url):
                raise AddressError("not here")

        with requests.Session() as session:
            session.trust_env = False
            guard(session, LIMITS, permit)
            with pytest.raises(AddressError, match="not here"):
                session.post(server.url, timeout=1)
        assert (server.paths, other.paths) == (["/"], [])


def test_others_are_reached(session, leads_to):
    leads_to("127.0.0.1")
    with serving() as server:
        assert session.get(f"http://{NAME}:{server.port}/", timeout=1).status_code == 200
