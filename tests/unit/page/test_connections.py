"""Silent connections take no file from others."""

from __future__ import annotations

import http.client
import select
import socket
import ssl
import time
from pathlib import Path

import pytest

from rollout.demo.servers.process import free_ports
from rollout.page.access import PageAccess, names_of
from rollout.page.connections import BACKLOG, MOST, OpenConnections
from rollout.page.serve import PageListener, serving_beside
from tests.support.certificates import make_certificate
from tests.unit.page.conftest import RECORDED, TOKEN, pages_of

MORE = 50


def ask(port, context=None):
    line = (
        http.client.HTTPSConnection("127.0.0.1", port, timeout=60, context=context)
        if context
        else http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    )
    line.request("GET", "/log", headers={"authorization": f"Bearer {TOKEN}"})
    try:
        return line.getresponse().status
    finally:
        line.close()


def count_files():
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def has_ended(line):
    return bool(select.select([line], [], [], 30)[0]) and not line.recv(1)


HALVES = {
    "nothing": b"",
    "headers": b"GET / HTTP/1.1\r\nHost: local",
    "form": b"POST /sign-in HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99\r\n\r\ntok",
}


@pytest.mark.parametrize("half", HALVES.values(), ids=HALVES)
def test_silent_connections_end_for_others(client, half):
    lines = [socket.create_connection(("127.0.0.1", client.port)) for _ in range(MOST + MORE)]
    try:
        for line in lines[:MORE]:
            assert has_ended(line)
        for line in lines[-MORE:]:
            line.sendall(half)
        assert client.get("/log").status == 200
    finally:
        for line in lines:
            line.close()


def test_handshakes_that_never_end_are_connections_too(tmp_path):
    certificate, key = make_certificate(tmp_path)
    (port,) = free_ports(1)
    listener = PageListener("127.0.0.1", port, (), certificate, key)
    access = PageAccess(TOKEN, names_of("127.0.0.1"), is_secure=True)
    trusting = ssl.create_default_context(cafile=certificate)
    trusting.check_hostname = False
    with serving_beside(pages_of(RECORDED), listener, access):
        lines = [socket.create_connection(("127.0.0.1", port)) for _ in range(MOST + MORE)]
        try:
            assert all(has_ended(line) for line in lines[:MORE])
            assert ask(port, trusting) == 200
        finally:
            for line in lines:
                line.close()


def test_who_waits_for_an_answer_is_not_ended_for_others():
    connections = OpenConnections(most=2)
    pairs = [socket.socketpair() for _ in range(4)]
    try:
        first, second, third, fourth = (pair[0] for pair in pairs)
        assert connections.admit(("a", 1), first)
        assert connections.admit(("a", 2), second)
        with connections.answering(("a", 1)):
            assert connections.admit(("a", 3), third), "the second makes room"
            assert pairs[1][1].recv(1) == b""
            with connections.answering(("a", 3)):
                assert not connections.admit(("a", 4), fourth)
        assert connections.admit(("a", 4), fourth)
        assert pairs[0][1].recv(1) == b""
    finally:
        for pair in pairs:
            for line in pair:
                line.close()


def test_no_more_files_are_open_than_may_be(client):
    before = count_files()
    lines = [socket.create_connection(("127.0.0.1", client.port)) for _ in range(2 * MOST)]
    try:
        assert all(has_ended(line) for line in lines[:MOST])
        most, end = before + len(lines) + MOST + BACKLOG // 2, time.monotonic() + 30
        while count_files() > most:  # those that were ended are closed a moment later
            assert time.monotonic() < end
            time.sleep(0.05)
    finally:
        for line in lines:
            line.close()
