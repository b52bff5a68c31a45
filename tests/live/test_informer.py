"""The doors to Kubernetes on a real API server: an informer, and conditional writes."""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import replace

import pytest

from rollout.errors import ClusterError
from rollout.kube.client import connect
from rollout.kube.informer import Informer
from rollout.kube.kinds import ROLLOUT_PLAN
from tests.live.operating import PLANS, example
from tests.live.pipeline import until

pytestmark = pytest.mark.live


@pytest.fixture
def api(cluster, monkeypatch):
    def of(user):
        monkeypatch.setenv("KUBECONFIG", str(cluster.config(user)))
        return connect()

    return of


@contextmanager
def informed(api, namespace, problems, relist=300, kind=ROLLOUT_PLAN):
    informer = Informer(api, kind, namespace, problems.append, relist)
    informer.start()
    try:
        yield informer
    finally:
        begun = time.monotonic()
        informer.stop()
        assert time.monotonic() - begun < 5


def names(informer):
    return sorted(plan_object["metadata"]["name"] for plan_object in informer.list() or [])


@pytest.mark.parametrize("everywhere", [False, True])
def test_the_informer_follows_every_change(cluster, namespace, api, everywhere):
    problems: list[str] = []
    with informed(api("admin").api, None if everywhere else namespace, problems, 2) as informer:
        assert informer.wait(10)
        cluster.apply(example(namespace))
        until(lambda: "demo" in names(informer), "the new plan")
        cluster.ask("PATCH", f"{PLANS.format(namespace)}/demo", {"spec": {"deadline": "2d"}})
        mine = [
            plan_object
            for plan_object in informer.list()
            if plan_object["metadata"]["namespace"] == namespace
        ]
        assert [plan_object["kind"] for plan_object in mine] == ["RolloutPlan"]
        time.sleep(2.5)  # past a new list
        deadlines = {
            plan_object["spec"]["deadline"]
            for plan_object in informer.list()
            if plan_object in mine
        }
        assert deadlines <= {"24h", "2d"}
        cluster.ask("DELETE", f"{PLANS.format(namespace)}/demo")
        until(
            lambda: (
                namespace
                not in {plan_object["metadata"]["namespace"] for plan_object in informer.list()}
            ),
            *("the deletion", 5),
        )
    assert problems == []


def test_without_the_right_to_list_nothing_is_known_and_the_reason_is_told(cluster, namespace, api):
    problems: list[str] = []
    with informed(api("nobody").api, namespace, problems) as informer:
        until(lambda: problems, "a problem")
        time.sleep(1)
        assert informer.list() is None
    assert len(problems) < 4
    assert 'said 403: rolloutplans.surefoot.dev is forbidden: User "nobody"' in problems[0]


def test_a_kind_that_the_cluster_does_not_know_is_told_with_its_cure(namespace, api):
    problems: list[str] = []
    unknown = replace(ROLLOUT_PLAN, plural="rolloutwishes")
    with informed(api("admin").api, namespace, problems, kind=unknown):
        until(lambda: problems, "a problem")
    problem = (
        "cannot watch rolloutwishes: the cluster does not know this kind; apply its definition"
    )
    assert problems[0].startswith(problem)


def test_a_patch_of_another_version_is_a_conflict(cluster, namespace, api):
    cluster.apply(example(namespace))
    client = api("admin")
    before = client.get(ROLLOUT_PLAN, namespace, "demo")
    guarded = {"metadata": {"resourceVersion": before["metadata"]["resourceVersion"]}}
    client.patch(ROLLOUT_PLAN, namespace, "demo", {**guarded, "spec": {"deadline": "2d"}})
    with pytest.raises(ClusterError) as caught:
        client.patch(ROLLOUT_PLAN, namespace, "demo", {**guarded, "spec": {"deadline": "3d"}})
    assert caught.value.status == 409
    with pytest.raises(ClusterError) as caught:
        client.patch_status(ROLLOUT_PLAN, namespace, "demo", {**guarded, "status": {"phase": "x"}})
    assert caught.value.status == 409
    assert client.get(ROLLOUT_PLAN, namespace, "demo")["spec"]["deadline"] == "2d"
