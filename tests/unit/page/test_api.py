"""The API: what it answers, to whom, and the gates of those that can send no header."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from rollout.page.api import BASE, describe
from tests.support.manifests import MANIFESTS, documents
from tests.unit.page.conftest import GATE

GOOD, BAD = "discharge-summarizer-v2", "discharge-summarizer-v3"
PATHS = [
    "/rollouts",
    f"/rollouts/{GOOD}",
    f"/rollouts/{GOOD}/verdict",
    f"/rollouts/{BAD}/verdict?for=promotion",
    "/entries",
    "/entries?before=40",
    f"/entries?rollout={BAD}",
    "/entries/1",
]


def get(client, path):
    reply = client.get(BASE + path)
    return reply.status, json.loads(reply.text)


def schema_of(path):
    """The schema of an answer, with the document's own definitions."""
    document = describe()
    parts = path.partition("?")[0].strip("/").split("/")
    names = {"rollouts": "{name}", "entries": "{number}"}
    template = "/" + "/".join([parts[0], *([names[parts[0]]] if parts[1:] else []), *parts[2:]])
    answer = document["paths"][template]["get"]["responses"]["200"]
    return {
        **answer["content"]["application/json"]["schema"],
        "components": document["components"],
    }


@pytest.mark.parametrize("path", PATHS)
def test_every_answer_is_as_the_document_says(client, path):
    status, answer = get(client, path)
    assert status == 200
    Draft202012Validator(schema_of(path)).validate(answer)


@pytest.mark.parametrize("path", ["/api", "/api/v2/rollouts", "/api/nothing", f"{BASE}/nothing"])
def test_an_address_that_the_api_does_not_have_is_told_in_json(client, path):
    reply = client.get(path)
    assert (reply.status, json.loads(reply.text)) == (404, {"error": "there is no such page"})


@pytest.mark.parametrize("path", ["/api/v2", f"{BASE}/rollouts"])
def test_who_shows_no_token_is_told_how_in_json(client, path):
    reply = client.ask(path)
    assert (reply.status, reply.headers["www-authenticate"]) == (401, "Bearer")
    assert "Authorization: Bearer" in json.loads(reply.text)["error"]


def test_the_document_is_handed_out_and_names_every_path(client):
    status, document = get(client, "/openapi.json")
    assert (status, document) == (200, json.loads(json.dumps(describe())))
    assert len(document["paths"]) == 5


def test_answers_are_those_of_the_commands(client):
    assert get(client, f"/rollouts/{GOOD}/verdict")[1]["answer"] == "go"
    assert get(client, f"/rollouts/{BAD}/verdict")[1]["answer"] == "stop"
    assert get(client, f"/rollouts/{BAD}")[1]["phase"] == "rolled back"
    names = [own["name"] for own in get(client, "/rollouts")[1]["rollouts"]]
    assert sorted(names) == [GOOD, BAD]


def test_the_log_is_read_to_its_end_page_by_page(client):
    numbers, path = [], "/entries"
    while path:
        answer = get(client, path)[1]
        numbers += [entry["seq"] for entry in answer["entries"]]
        path = f"/entries?before={answer['older']}" if answer["older"] else ""
    assert numbers == sorted(set(numbers), reverse=True)
    assert numbers[-1] == 1


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/rollouts/unknown", 404),
        ("/rollouts/unknown/verdict", 404),
        (f"/rollouts/{GOOD}/verdict?for=luck", 400),
        ("/entries?before=x", 400),
        ("/entries?rollout=unknown", 404),
        ("/entries/0", 404),
        ("/entries/x", 404),
        ("/entries/99999999999999999999", 404),
        ("/nothing", 404),
    ],
)
def test_a_refusal_is_json_with_one_sentence(client, path, status):
    reply = get(client, path)
    assert reply[0] == status
    assert set(reply[1]) == {"error"}


@pytest.mark.parametrize("path", [*PATHS, "/openapi.json"])
def test_nothing_is_answered_without_the_token(client, path):
    assert client.ask(BASE + path).status == 401
    assert client.ask(BASE + path, "POST", authorization=f"Bearer {client.token}").status == 405


@pytest.mark.parametrize(
    ("name", "goal", "status"),
    [
        (GOOD, "step", 200),
        (GOOD, "promotion", 200),
        (GOOD, "rollback", 403),
        (BAD, "step", 403),
        (BAD, "promotion", 403),
        (BAD, "rollback", 200),
        (BAD, "luck", 403),
        ("unknown", "step", 403),
        ("unknown", "rollback", 403),
    ],
)
def test_a_gate_is_open_or_closed(client, name, goal, status):
    reply = client.ask(f"{BASE}/gate/{GATE}/{name}/{goal}", "POST", "{}")
    assert (reply.status, json.loads(reply.text)) == (status, {"open": status == 200})


@pytest.mark.parametrize("secret", ["wrong", "", "%00", GATE[:-1]])
def test_a_wrong_secret_opens_no_gate_and_tells_nothing(client, secret):
    reply = client.ask(f"{BASE}/gate/{secret}/{GOOD}/step", "POST", "{}")
    assert reply.status in {403, 404}
    unknown = client.ask(f"{BASE}/gate/wrong/unknown/step", "POST", "{}")
    assert unknown.status == 403


def test_a_gate_is_asked_by_post_alone_and_under_our_name(client):
    path = f"{BASE}/gate/{GATE}/{GOOD}/step"
    assert client.ask(path).status == 405
    assert client.ask(path, "POST", "{}", host="attacker.example").status == 421


def _holds(condition, answer):
    """Whether a condition of Argo holds of an answer."""
    word, compared, other = condition.split()
    assert (word, compared in {"==", "!="}) == ("result", True)
    return (json.loads(other) == answer) == (compared == "==")


def test_argo_s_templates_ask_what_the_api_answers(client):
    for template in documents(MANIFESTS / "pipelines" / "argo-rollouts.yaml"):
        (metric,) = template["spec"]["metrics"]
        asked = metric["provider"]["web"]
        assert asked["headers"] == [{"key": "Authorization", "value": "Bearer {{args.token}}"}], (
            "as the client below asks"
        )
        address = asked["url"].replace("{{args.address}}", "")
        key = asked["jsonPath"].removeprefix("{$.").removesuffix("}")
        answers = {"answer": ("go", "stop"), "rolls_back": (False, True)}[key]
        for name, answer in zip((GOOD, BAD), answers, strict=True):
            reply = client.get(address.replace("{{args.rollout}}", name))
            assert reply.status == 200
            assert json.loads(reply.text)[key] == answer
            conditions = metric["successCondition"], metric["failureCondition"]
            assert [_holds(text, answer) for text in conditions] == [name == GOOD, name == BAD]


def test_flagger_s_webhooks_ask_gates_that_open(client):
    (canary,) = documents(MANIFESTS / "pipelines" / "flagger.yaml")
    body = json.dumps({"name": "x", "namespace": "y", "phase": "Progressing", "metadata": {}})
    opens_for = {"confirm-traffic-increase": GOOD, "confirm-promotion": GOOD, "rollback": BAD}
    hooks = canary["spec"]["analysis"]["webhooks"]
    assert {hook["type"] for hook in hooks} == {*opens_for}
    for hook in hooks:
        path = urlsplit(hook["url"]).path.replace("/GATE/", f"/{GATE}/")
        for name in (GOOD, BAD):
            reply = client.ask(path.replace("/PLAN/", f"/{name}/"), "POST", body)
            assert reply.status == (200 if opens_for[hook["type"]] == name else 403)


def test_whatever_the_document_allows_is_answered_as_it_says(client, tmp_path):
    """Schemathesis asks each operation with sound and with broken values, in fixed order."""
    command = [str(Path(sys.executable).with_name("schemathesis")), "run"]
    command += [f"http://127.0.0.1:{client.port}{BASE}/openapi.json"]
    command += ["--header", f"Authorization: Bearer {client.token}", "--no-color"]
    command += ["--seed", "1", "--max-examples", "25", "--phases", "coverage,fuzzing"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:]
    assert "Tested: 5" in done.stdout


def test_an_entry_has_an_id_that_no_other_journal_has(client):
    first = get(client, "/entries/1")[1]
    chain = first["hash"][:12]
    assert first["entry"] == f"{chain}.1"
    assert get(client, f"/entries/{chain}.40")[1] == get(client, "/entries/40")[1]
    for path in (f"/entries/{'0' * 12}.40", "/entries/40.1", f"/entries/{chain}.99999"):
        assert get(client, path)[0] == 404
    assert {entry["entry"] for entry in get(client, "/entries")[1]["entries"]} >= {f"{chain}.76"}
