"""Several replicas of `surefoot operate`: one decides, another one takes over."""

from __future__ import annotations

import os
import re
import signal
import threading
from urllib.parse import urlsplit

import pytest

from tests.live.faulty import proxied
from tests.live.line import line
from tests.live.pipeline import until
from tests.live.replicas import of

pytestmark = pytest.mark.live


def test_one_decides_and_the_other_takes_over_after_a_kill_and_at_once_after_an_end(replicas):
    replicas.apply()
    for _ in range(2):
        replicas.start()
    until(lambda: replicas.status().get("phase") == "waiting", "it is taken up")
    killed = replicas.follow()
    killed.kill()
    third = replicas.start()
    ended = replicas.follow(killed)
    replicas.say("promote")
    replicas.settled([0, 100])
    until(lambda: "leader while it holds" in third.tail(50), "the standby is up")
    ended.stop(120)
    assert not of(ended, replicas.holder), "its Lease was given back, not left to run out"
    last = replicas.follow(ended)
    assert len({killed, ended, last}) == 3
    assert replicas.terms == sorted(set(replicas.terms))
    assert replicas.facts("refused") == [] or len(replicas.terms) > 3


@pytest.mark.parametrize("held", ["GET", "PATCH"])
def test_a_leader_that_wakes_up_within_a_write_moves_nothing(replicas, cluster, tmp_path, held):
    """It froze after it had recorded the decision, when it had read the weights, or was patching.

    Before the patch it asks; a patch under way names a version that is no more, and what comes of
    it may not be recorded. It learns of its successor from the Lease or from the journal, whichever
    answers first.
    """
    words = "(expired|took over this journal)"
    with proxied(cluster, tmp_path / "proxy") as proxy:
        frozen, thawed = threading.Event(), threading.Event()
        first = replicas.start(proxy.config("surefoot"))
        replicas.apply()
        until(lambda: replicas.status().get("phase") == "waiting", "it is taken up")

        def freeze(request):
            last = replicas.story[-1]
            decided = last.kind == "decided" and last.action == "promote"
            path = urlsplit(request.path).path
            ours = request.method == held and path.endswith("virtualservices/reviews")
            if ours and decided and not frozen.is_set():
                os.kill(first.pid, signal.SIGSTOP)
                frozen.set()
                thawed.wait(300)

        if held == "GET":  # it has its answer, and will believe it
            proxy.after = freeze
        else:  # it has asked whether it decides, and the patch is under way
            proxy.before = freeze
        replicas.say("promote")
        assert frozen.wait(120)
        replicas.say("abort")
        replicas.start()
        replicas.follow(first)
        until(lambda: replicas.status().get("phase") == "rolled back", "the successor's end")
        before, count = replicas.route(), len(replicas.entries())
        os.kill(first.pid, signal.SIGCONT)
        thawed.set()
        until(lambda: replicas.facts("refused"), "its refusal in the decision log")
    assert replicas.route() == before
    assert replicas.weights == [100, 0]
    refused = replicas.facts("refused")[0]
    assert re.search(words, refused.problem)
    assert of(first, refused.controller)
    assert {entry.fact.kind for entry in replicas.entries()[count:]} <= {"refused", "elected"}
    assert re.search(words, first.tail(20))


FULL = """
CREATE FUNCTION full() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'could not extend file: no space left' USING ERRCODE = 'disk_full'; END $$
"""


def test_a_leader_whose_writes_are_refused_gives_the_lease_up(replicas, server):
    """Its role may not write any more; then the disk is full, which spares no replica."""
    url = replicas.journal
    role = url.rpartition("/")[2]
    server.ask(
        url,
        f"CREATE ROLE {role} LOGIN",
        f"GRANT SELECT, INSERT ON entries TO {role}",
        f"GRANT SELECT ON journal_version TO {role}",
    )
    first = replicas.start(journal=url.replace("postgres@", f"{role}@"))
    replicas.apply()
    until(lambda: replicas.status().get("phase") == "waiting", "it is taken up")
    server.ask(url, f"REVOKE INSERT ON entries FROM {role}")
    replicas.say("promote")
    until(lambda: not replicas.holder, "the Lease is given up")
    second = replicas.start()
    assert replicas.follow(first) is second
    replicas.settled([0, 100])
    assert first.running
    assert "no permission" in first.tail(50)
    server.ask(
        url,
        FULL,
        "CREATE TRIGGER full_disk BEFORE INSERT ON entries EXECUTE FUNCTION full()",
        f"GRANT INSERT ON entries TO {role}",
    )
    asking = replicas.plan.document()
    asking["metadata"]["annotations"] = {"surefoot.dev/undo": "ticket 7"}
    replicas.cluster.apply(asking)
    until(lambda: "leaves the Lease to others" in second.tail(500), "it says so")
    server.ask(url, "DROP TRIGGER full_disk ON entries")
    replicas.settled([100, 0])
    assert "the server's disk is full" in second.tail(500)


def test_a_leader_that_is_cut_off_from_the_journal_alone_gives_the_lease_up(replicas, server):
    """Behind a proxy of its own, say, which takes what it sends and answers nothing."""
    with line(server.port) as cut:
        first = replicas.start(journal=replicas.journal.replace(str(server.port), str(cut.port)))
        replicas.apply()
        until(lambda: replicas.status().get("phase") == "waiting", "it is taken up")
        cut.through.clear()
        until(lambda: not replicas.holder, "the Lease is given up")
        replicas.say("promote")
        second = replicas.start()
        assert replicas.follow(first) is second
        replicas.settled([0, 100])
        assert first.running
        cut.through.set()
        second.stop(120)
        assert replicas.follow(second) is first
