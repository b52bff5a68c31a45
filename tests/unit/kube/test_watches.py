"""A kind is watched from the first question on, once for each namespace, until the end."""

from rollout.kube.kinds import ROLLOUT_PLAN, Kind
from rollout.kube.watches import WatchedObjects

OTHER = Kind("g", "v1", "others", "Other")


class FakeWatch:
    def __init__(self, kind, namespace):
        self.kind, self.namespace, self.calls = kind, namespace, []

    def start(self):
        self.calls.append("start")

    def stop(self):
        self.calls.append("stop")

    def find(self, namespace, name):
        return {"found": (namespace, name)} if name == "there" else None


def test_one_watch_for_each_kind_and_namespace():
    watches = []

    def make(kind, namespace):
        watches.append(FakeWatch(kind, namespace))
        return watches[-1]

    watched = WatchedObjects(make)
    assert watches == []
    for kind, namespace in [(OTHER, "a"), (OTHER, "a"), (OTHER, "b"), (ROLLOUT_PLAN, "a")] * 2:
        assert watched.find(kind, namespace, "there") == {"found": (namespace, "there")}
        assert watched.find(kind, namespace, "gone") is None
    assert [(watch.kind, watch.namespace) for watch in watches] == [
        (OTHER, "a"),
        (OTHER, "b"),
        (ROLLOUT_PLAN, "a"),
    ]
    watched.stop()
    assert {tuple(watch.calls) for watch in watches} == {("start", "stop")}
