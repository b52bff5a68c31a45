"""Pending statuses reach the cluster in the end, each once, and never in a hurry."""

from __future__ import annotations

import pytest

from rollout.errors import ClusterError
from rollout.operate.status.outbox import PendingStatus, StatusOutbox, patch_of
from rollout.plan.kube.status import Status


class FailingWriter:
    """Takes what it is given, unless it fails with a status."""

    def __init__(self, *fails):
        self.fails, self.asked = list(fails), []

    def _ask(self, what):
        self.asked.append(what)
        if self.fails and (status := self.fails.pop(0)) is not None:
            raise ClusterError("no", status)

    def patch_status(self, kind, namespace, name, body):
        self._ask((f"{namespace}/{name}", body["status"]["phase"]))
        return body

    def tell(self, event):
        self._ask(event["reason"])


def build_pending(phase, *reasons, uid="u"):
    status = {"observedGeneration": 1, "phase": phase}
    return PendingStatus(uid, "5", status, tuple({"reason": reason} for reason in reasons))


@pytest.fixture
def outbox():
    return StatusOutbox()


def test_events_come_before_the_status_that_says_they_were_told(outbox):
    outbox.post("ns/a", build_pending("stepping", "Started", "Advance"), 0)
    writer = FailingWriter()
    outbox.publish(writer, 0)
    assert writer.asked == ["Started", "Advance", ("ns/a", "stepping")]


def test_only_the_newest_status_is_written_and_every_event_told(outbox):
    outbox.post("ns/a", build_pending("waiting", "Started"), 0)
    outbox.post("ns/a", build_pending("stepping", "Advance"), 0)
    writer = FailingWriter()
    outbox.publish(writer, 0)
    outbox.publish(writer, 1)
    assert writer.asked == ["Started", "Advance", ("ns/a", "stepping")]


def test_a_status_that_the_watch_does_not_show_yet_is_not_written_twice(outbox):
    writer = FailingWriter()
    for now in (0, 1, 2, 11):
        outbox.post("ns/a", build_pending("stepping"), now)
        outbox.publish(writer, now)
    assert writer.asked == [("ns/a", "stepping")] * 2


@pytest.mark.parametrize("status", [0, 403, 429, 500])
def test_what_failed_is_tried_again_ever_later(outbox, status):
    outbox.post("ns/a", build_pending("stepping"), 0)
    writer = FailingWriter(*[status] * 50)
    tried = 0
    for now in range(600):
        before = len(writer.asked)
        if writer.fails:
            try:
                outbox.publish(writer, now)
            except ClusterError:
                tried = now
        assert len(writer.asked) - before <= 1
    assert 20 < len(writer.asked) < 30
    assert tried > 570


def test_a_server_in_distress_is_left_alone_for_the_rest_of_the_round(outbox):
    for name in ("ns/a", "ns/b", "ns/c"):
        outbox.post(name, build_pending("stepping"), 0)
    writer = FailingWriter(503)
    with pytest.raises(ClusterError):
        outbox.publish(writer, 0)
    assert len(writer.asked) == 1


def test_one_refused_notice_does_not_hold_up_the_others(outbox):
    for name in ("ns/a", "ns/b"):
        outbox.post(name, build_pending("stepping"), 0)
    writer = FailingWriter(403)
    with pytest.raises(ClusterError):
        outbox.publish(writer, 0)
    assert [name for name, _ in writer.asked] == ["ns/a", "ns/b"]


@pytest.mark.parametrize("status", [404, 409])
def test_what_another_version_refuses_waits_for_a_new_look(outbox, status):
    outbox.post("ns/a", build_pending("stepping"), 0)
    writer = FailingWriter(status)
    outbox.publish(writer, 0)
    outbox.publish(writer, 100)
    assert len(writer.asked) == 1
    outbox.post("ns/a", build_pending("stepping"), 101)
    outbox.publish(writer, 101)
    assert len(writer.asked) == 2


def test_what_is_posted_meanwhile_is_shown_next(outbox):
    class Slow(FailingWriter):
        def patch_status(self, kind, namespace, name, body):
            if not self.asked:
                outbox.post("ns/a", build_pending("promoted", "Promoted"), 0)
            return super().patch_status(kind, namespace, name, body)

    outbox.post("ns/a", build_pending("stepping"), 0)
    writer = Slow()
    outbox.publish(writer, 0)
    outbox.publish(writer, 0)
    assert writer.asked == [("ns/a", "stepping"), "Promoted", ("ns/a", "promoted")]


def test_another_object_of_the_same_name_gets_no_events_of_the_first(outbox):
    outbox.post("ns/a", build_pending("stepping", "Advance"), 0)
    outbox.post("ns/a", build_pending("waiting", "Started", uid="v"), 0)
    writer = FailingWriter()
    outbox.publish(writer, 0)
    assert writer.asked == ["Started", ("ns/a", "waiting")]


def test_a_patch_removes_what_the_status_no_longer_says():
    patch = patch_of(build_pending("refused"))
    assert patch["metadata"] == {"resourceVersion": "5"}
    assert patch["status"].keys() == {field.alias for field in Status.model_fields.values()}
    assert patch["status"]["weight"] is None
    assert patch["status"]["phase"] == "refused"
