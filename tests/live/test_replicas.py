"""Several replicas of `surefoot operate`: one decides, another one takes over."""

from __future__ import annotations

import os
import signal
import threading
import time

import pytest

from tests.live.faulty import proxied
from tests.live.line import line
from tests.live.pipeline import until
from tests.live.replicas import DURATION

pytestmark = pytest.mark.live


def test_one_decides_and_the_other_takes_over_after_a_kill_and_at_once_after_an_end(replicas):
    replicas.apply()
    for _ in range(2):
        replicas.start()
    assert replicas.elected(1) == [1]
    until(lambda: replicas.status().get("phase") == "waiting", "it is taken up")
    second = replicas.standby()
    until(lambda: "decides while it holds" in second.tail(), "the standby is up")
    time.sleep(1)  # it has seen the Lease
    killed = time.monotonic()
    replicas.leader().kill()
    third = replicas.start()
    assert replicas.elected(2) == [1, 2]
    took = time.monotonic() - killed
    assert DURATION * 2 / 3 < took < DURATION + 6  # the rest is this machine's other work
    replicas.say("promote")
    replicas.settled([0, 100])
    until(lambda: "decides while it holds" in third.tail(), "the standby is up")
    ended = time.monotonic()
    replicas.leader().stop()
    assert replicas.elected(3) == [1, 2, 3]
    assert time.monotonic() - ended < DURATION
    assert len({fact.controller for fact in replicas.facts("elected")}) == 3
    assert replicas.facts("refused") == []
    assert all("problem" not in each.tail(50) for each in (second, third))


@pytest.mark.parametrize(
    ("held", "words"),
    [("GET", "refused: the Lease of term 1 ran out"), ("PATCH", "took over this journal")],
)
def test_a_leader_that_wakes_up_within_a_write_moves_nothing(
    replicas, cluster, tmp_path, held, words
):
    """It froze after it had recorded the decision, when it had read the weights, or was patching.

    Before the patch it asks; a patch under way names a version that is no more, and what comes of
    it may not be recorded.
    """
    with proxied(cluster, tmp_path / "proxy") as proxy:
        frozen, thawed = threading.Event(), threading.Event()
        first = replicas.start(proxy.config("surefoot"))
        replicas.apply()
        until(lambda: replicas.status().get("phase") == "waiting", "it is taken up")

        def freeze(request):
            decided = [entry.fact.kind for entry in replicas.entries()][-1] == "decided"
            ours = request.method == held and request.path.endswith("virtualservices/reviews")
            if ours and decided and not frozen.is_set():
                os.kill(first.pid, signal.SIGSTOP)
                frozen.set()
                thawed.wait(60)

        if held == "GET":  # it has its answer, and will believe it
            proxy.after = freeze
        else:  # it has asked whether it decides, and the patch is under way
            proxy.before = freeze
        replicas.say("promote")
        assert frozen.wait(20)
        replicas.say("abort")
        replicas.start()
        assert replicas.elected(2) == [1, 2]
        until(lambda: replicas.status().get("phase") == "rolled back", "the successor's end")
        before, count = replicas.route(), len(replicas.entries())
        os.kill(first.pid, signal.SIGCONT)
        thawed.set()
        until(lambda: replicas.facts("refused"), "its refusal in the decision log")
    assert replicas.route() == before
    assert replicas.weights == [100, 0]
    (refused,) = replicas.facts("refused")
    assert words in refused.problem
    assert refused.controller == replicas.facts("elected")[0].controller
    assert [entry.fact.kind for entry in replicas.entries()[count:]] == ["refused"]
    assert words in first.tail(5)


def test_a_leader_that_is_cut_off_from_the_journal_alone_gives_the_lease_up(replicas, server):
    """Behind a proxy of its own, say, which takes what it sends and answers nothing."""
    with line(server.port) as cut:
        first = replicas.start(journal=replicas.journal.replace(str(server.port), str(cut.port)))
        replicas.apply()
        assert replicas.elected(1) == [1]
        until(lambda: replicas.status().get("phase") == "waiting", "it is taken up")
        cut.through.clear()
        until(lambda: not replicas.holder, "the Lease is given up")
        replicas.say("promote")
        second = replicas.start()
        assert replicas.elected(2) == [1, 2]
        replicas.settled([0, 100])
        assert first.running
        cut.through.set()
        second.stop()
        assert replicas.elected(3) == [1, 2, 3]
        assert replicas.leader() is first
