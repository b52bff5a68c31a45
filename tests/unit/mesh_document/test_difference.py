"""What a change of a document would do to traffic is said in words."""

import yaml

from rollout.mesh_document.difference import describe_changes
from tests.support.mesh_documents import EXAMPLE, mesh, source_of, split

DOCUMENT = yaml.safe_load(EXAMPLE.read_text())


def changes(old, new):
    return describe_changes(source_of(old).mesh, source_of(new).mesh)


def test_nothing_that_says_the_same_is_a_change():
    def spelt(seconds):
        return mesh({"name": "a", "timeout": seconds})

    assert changes(DOCUMENT, DOCUMENT) == []
    assert changes(spelt("90s"), spelt("1m30s")) == []
    at_home = {"metadata": {"name": "clinical-mesh", "namespace": "default"}}
    assert changes(mesh("a"), mesh("a.default.svc") | at_home) == []


def test_each_setting_that_changes_is_a_sentence_with_what_was_before():
    old = mesh({"name": "a", "timeout": "10s", "retries": {"attempts": 1}})
    new = mesh(
        {
            "name": "a",
            "timeout": "30s",
            "loadBalancer": {"algorithm": "consistent_hash", "cookie": "user"},
            "fallback": {"service": "a-basic"},
        },
        security={"mtls": {"mode": "STRICT"}},
    )
    assert changes(old, new) == [
        (
            "a: endpoints are chosen by a hash of the cookie `user`; before: the mesh chooses "
            "endpoints by itself"
        ),
        (
            "a: nothing is sent again but what the mesh repeats by itself; before: attempts after "
            "the first: 1 at most"
        ),
        "a: a request ends after 30s; before: a request ends after 10s",
        "a: `a-basic` answers where it cannot; before: nobody answers where it cannot",
        "the mesh: mTLS is STRICT; before: the mesh decides who speaks mTLS",
    ]


def test_services_and_plans_come_go_and_move():
    old = mesh("a", "b", trafficPolicies=[split("p", ("a", 90), ("a-v2", 10))])
    match = {"header": {"name": "x-ward", "prefix": "icu"}}
    new = mesh(
        "b",
        {"name": "c", "timeout": "3s"},
        trafficPolicies=[split("q", ("b", 80), ("b-v2", 20), match=match)],
    )
    assert changes(old, new) == [
        "a: gone; nothing is said of its requests",
        "c: new; a request ends after 3s",
        "b: on a local Envoy it is asked at the port of --listen plus 0; before: plus 1",
        "p: no plan; before: a plan moves `a` from `a` to `a-v2`, 10 % first",
        (
            "q: a plan moves `b` from `b` to `b-v2`, 20 % first, of the requests whose header "
            "`x-ward` begins with `icu` (chosen); before: no plan"
        ),
    ]
