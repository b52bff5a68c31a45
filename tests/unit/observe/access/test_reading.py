"""Access files: every mistake has its place, and no message holds a word of the file."""

from __future__ import annotations

import copy
import re

import pytest
import yaml

from rollout.errors import InputError
from rollout.observe.access.reading import load_accesses

SECRET = "s3cr3t-Horse"
WHOLE = """\
apiVersion: surefoot.dev/v1alpha1
kind: PrometheusAccess
accesses:
  - name: team-a
    servers: [https://prometheus.example.org, "http://[::1]:9090/prom"]
    bearer: {tokenFile: token}
    headers: [{name: X-Scope-OrgID, value: team-a}, {name: X-Key, valueFile: key}]
    ca: ca.crt
    certificate: {cert: tls.crt, key: tls.key}
    query: [{name: namespace, value: ml}]
    timeout: 20s
  - name: team-b
    servers: [http://127.0.0.1:9090]
    basic: {username: eve, password: s3cr3t-Horse}
"""


@pytest.fixture
def load(tmp_path):
    path = tmp_path / "access.yaml"

    def go(text):
        path.write_text(text, encoding="utf-8")
        return load_accesses(path)

    return go


def refuse(load, text):
    """Return the mistakes of a file, without its name."""
    with pytest.raises(InputError) as refused:
        load(text)
    assert SECRET not in str(refused.value)
    lines = str(refused.value).splitlines()
    assert all(re.match(r"\S+access\.yaml:\d+:\d+ P\d{3} ", line) for line in lines), lines
    return [line.split("access.yaml:", 1)[1] for line in lines]


def test_a_whole_file_is_read(load):
    first, second = load(WHOLE).accesses
    assert (first.name, first.timeout, first.ca) == ("team-a", 20.0, "ca.crt")
    assert second.basic.password.get_secret_value() == SECRET


def test_what_is_read_shows_no_secret(load):
    accesses = load(WHOLE)
    assert SECRET not in f"{accesses!r} {accesses} {accesses.model_dump_json()}"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("tokenFile: token", "tokn: token", "6:14 P003 an unknown key (did you mean `token`?)"),
        ("tokenFile: token", "token: 1", "6:21 P005 must be text, but YAML reads `***` as a num"),
        ("{tokenFile: token}", "{}", "6:13 P016 give either `token` or `tokenFile`"),
        ("{tokenFile: token}", "abc", "6:13 P005 must be a mapping, not `***`"),
        ("timeout: 20s", "timeout: 5m", "11:14 P006 all rollouts wait for an answer: at most 60s"),
        ("timeout: 20s", "timeout: 20", "11:14 P005"),
        ("name: team-b", "name: team-a", "12:11 P010 this name is given twice"),
        ("name: X-Key", "name: Host", "7:60 P006 this header is the client's own"),
        ("name: X-Key", "name: accept-encoding", "7:60 P006 this header is the client's own"),
        ("tokenFile: token}", "token: ''}", "6:21 P006 must not be empty"),
        ("bearer: {tokenFile: token}", "basic: {username: 'a:b', password: c}", "6:23 P006 a user"),
        ("name: X-Key", "name: x-scope-orgid", "7:60 P010 this name is given twice"),
        ("name: X-Key", "name: authorization", "7:60 P016 give either this header or `bearer`"),
        ("name: namespace", "name: query", "10:20 P006 this parameter is the question itself"),
        ("name: namespace", "name: token", "10:20 P006 servers log addresses"),
        ("    ca: ca.crt\n", "    ca: a\n    ca: b\n", "9:5 P002 a key is given twice"),
        ("https://prometheus.example.org", "prometheus:9090", "5:15 P006 a server is https://HOST"),
        ("https://prometheus.example.org", "https://ü.example", "5:15 P006 a server is"),
        ("kind: PrometheusAccess", "kind: Secret", "2:7 P006 must be `PrometheusAccess`"),
        ("kind: PrometheusAccess\n", "", "1:1 P004 missing key `kind` in the access file"),
    ],
)
def test_a_mistake_has_its_place_and_its_cure(load, old, new, message):
    assert old in WHOLE
    assert any(line.startswith(message) for line in refuse(load, WHOLE.replace(old, new)))


@pytest.mark.parametrize(
    "text",
    [
        f"- {SECRET}",
        f"{SECRET}: 1",
        f"a: *{SECRET}",
        f"a: !{SECRET} x",
        f"a: '{SECRET}",
        f"%{SECRET}\n---\n",
        f"a: [{SECRET}\n---\nb: {SECRET}",
        f"a: 1\n---\n{SECRET}: 1",
        f"<<: {SECRET}",
        f"{SECRET}: 1\n{SECRET}: 2",
        f"? [{SECRET}]\n: 1",
    ],
)
def test_a_file_that_is_no_access_file_is_not_repeated(load, text):
    assert refuse(load, text)


def places(value, path=()):
    if isinstance(value, dict):
        for key, item in value.items():
            yield from places(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from places(item, (*path, index))
    yield path


@pytest.mark.parametrize("wrong", [SECRET, [SECRET], {SECRET: SECRET}, f"http://a:{SECRET}@h"])
def test_a_secret_at_any_wrong_place_is_not_repeated(load, wrong):
    document = yaml.safe_load(WHOLE)
    for *path, last in filter(None, places(document)):
        changed = copy.deepcopy(document)
        inner = changed
        for step in path:
            inner = inner[step]
        inner[last] = wrong
        message = ""
        try:
            load(yaml.safe_dump(changed))
        except InputError as error:
            message = str(error)
        assert SECRET not in message, (path, last)


@pytest.mark.parametrize("path", ["none", "/dev/full", "/dev/null", "."])
def test_what_is_no_file_is_told(path, tmp_path):
    with pytest.raises(InputError):
        load_accesses(tmp_path / path)
