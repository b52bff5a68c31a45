"""Every request of ours that changes an object carries the field manager `surefoot`."""

import pytest
from kubernetes.client import ApiClient
from kubernetes.client.exceptions import ApiException

from rollout.errors import ClusterError
from rollout.kube.client import Cluster
from rollout.kube.kinds import ROLLOUT_PLAN

BODY = {"metadata": {"name": "x", "namespace": "ns"}, "involvedObject": {}}
WRITES = {
    "create": lambda cluster: cluster.create(ROLLOUT_PLAN, "ns", BODY),
    "replace": lambda cluster: cluster.replace(ROLLOUT_PLAN, "ns", "x", BODY),
    "patch": lambda cluster: cluster.patch(ROLLOUT_PLAN, "ns", "x", BODY),
    "dry patch": lambda cluster: cluster.patch(ROLLOUT_PLAN, "ns", "x", BODY, dry=True),
    "apply": lambda cluster: cluster.apply(ROLLOUT_PLAN, "ns", BODY),
    "status": lambda cluster: cluster.patch_status(ROLLOUT_PLAN, "ns", "x", BODY),
    "event": lambda cluster: cluster.tell(BODY),
}


@pytest.mark.parametrize("write", [*WRITES])
def test_a_write_names_its_field_manager(monkeypatch, write):
    sent = []

    def call_api(_self, method, url, *_arguments, **_options):
        sent.append((method, url))
        raise ApiException(status=503)

    monkeypatch.setattr(ApiClient, "call_api", call_api)
    with pytest.raises(ClusterError):
        WRITES[write](Cluster(ApiClient()))
    ((method, url),) = sent
    assert method in {"POST", "PUT", "PATCH"}
    assert "fieldManager=surefoot" in url
