"""An answer ends within its time and its bytes, whatever a server sends and however slowly."""

import gzip
import threading
import zlib

import pytest
import urllib3

from rollout.answers.http import LimitedAdapter, Limits, TooLargeError, UnledSession, read_body
from tests.support.http_server import answer, drip, serving

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
WAITED = 30  # seconds: whoever has not returned by then waits without a bound


def fetch(host, limits, most=1000):
    """What a session within limits reads, or the error that it raises."""
    results: list[object] = []

    def work():
        with UnledSession() as session:
            session.trust_env = False
            session.mount("http://", LimitedAdapter(limits))
            try:
                response = session.get(f"http://{host}/", timeout=5, stream=True)
                results.append(read_body(response, most))
            except (OSError, ValueError, urllib3.exceptions.HTTPError) as error:
                results.append(error)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(WAITED)
    assert results, "it still waits"
    return results[0]


@pytest.mark.parametrize("packed", ["", "gzip", "deflate"])
def test_a_whole_answer_is_read(packed):
    body = b"whole" * 100
    packs = {"gzip": gzip.compress(body), "deflate": zlib.compress(body)}
    headers = [f"Content-Encoding: {packed}"] if packed else []
    with serving(answer(packs.get(packed, body), "200 OK", *headers)) as host:
        assert fetch(host, Limits()) == body


@pytest.mark.parametrize(
    "first",
    [b"", b"HTTP/1.1 ", HEAD, HEAD + b"\r\n", HEAD + b"Transfer-Encoding: chunked\r\n\r\nfff\r\n"],
    ids=["nothing", "status", "headers", "body", "chunk"],
)
def test_a_byte_now_and_then_is_not_waited_for_without_end(first):
    with serving(drip(b"x", 0.05, first)) as host:
        assert "timed out" in str(fetch(host, Limits(seconds=0.3)))


def test_a_body_without_end_is_cut_off_by_its_bytes():
    with serving(drip(b"x" * 10_000, 0, HEAD + b"\r\n")) as host:
        assert "more than 1,000 bytes" in str(fetch(host, Limits()))
        assert "more than 2,000 bytes" in str(fetch(host, Limits(most=2_000), most=10**9))


def test_what_unpacks_to_more_is_not_unpacked_whole():
    bomb = gzip.compress(b"0" * 50_000_000)
    with serving(answer(bomb, "200 OK", "Content-Encoding: gzip")) as host:
        error = fetch(host, Limits(), most=1_000_000)
    assert isinstance(error, TooLargeError)
    assert "unpacked" in str(error)


def test_a_redirect_s_body_is_not_unpacked_whole():
    bomb = gzip.compress(b"0" * 50_000_000)
    headers = ["Location: /", "Content-Encoding: gzip"]
    with serving(answer(bomb, "302 Found", *headers)) as host:
        error = fetch(host, Limits(), most=1_000_000)
    assert "unpacked" in str(error)


@pytest.mark.parametrize("packed", ["br", "gzip"])
def test_what_cannot_be_unpacked_is_an_error(packed):
    with serving(answer(b"no such thing", "200 OK", f"Content-Encoding: {packed}")) as host:
        assert isinstance(fetch(host, Limits()), ValueError)


def test_a_packed_answer_is_refused_where_the_library_would_unpack_it():
    with serving(answer(gzip.compress(b"x"), "200 OK", "Content-Encoding: gzip")) as host:
        assert "packed as gzip" in str(fetch(host, Limits(plain=True)))


@pytest.mark.parametrize(
    "status", ["2_00 OK", "+200 OK", "20 OK", "2000 OK", "\u0662\u0660\u0660 OK", "OK"]
)
def test_a_status_is_three_digits(status):
    with serving(answer(b"whole", status)) as host:
        assert isinstance(fetch(host, Limits()), OSError)


@pytest.mark.parametrize("status", ["200 OK", "200", "200 ", "204 No Content"])
def test_a_status_needs_no_words(status):
    with serving(answer(b"", status)) as host:
        assert fetch(host, Limits()) == b""


@pytest.mark.parametrize("length", ["1_0", "+5", "-5", "five"])
def test_a_length_is_digits(length):
    head = f"HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\nwhole"
    with serving(lambda connection: connection.sendall(head.encode())) as host:
        assert isinstance(fetch(host, Limits()), OSError)
