"""Two `surefoot operate` processes before one Lease, one journal and one mesh."""

from __future__ import annotations

from contextlib import closing

from rollout.journal.open import open_for_reading
from rollout.journal.sql.store import open_journal
from tests.live.operating import PLANS, RIGHTS, start_operate
from tests.live.pipeline import surefoot, until
from tests.support.manifests import role_rules
from tests.support.routes import plan, to, virtual_service

ISTIO = "/apis/networking.istio.io/v1beta1/namespaces/{}/virtualservices"
MOVE = {
    "apiGroups": ["networking.istio.io"],
    "resources": ["virtualservices"],
    "verbs": ["get", "patch"],
}
LEASE = role_rules("components/replicas/role.yaml")
DURATION = 3  # seconds; the least that leaves room for a busy machine


class Replicas:
    """A namespace with a VirtualService and a plan, and the replicas that carry it out."""

    def __init__(self, cluster, namespace, journal, folder):
        self.cluster, self.namespace, self.journal = cluster, namespace, journal
        self.folder, self.processes = folder, []
        open_journal(journal).close()  # so that it is there for readers
        cluster.allow("surefoot", namespace, *RIGHTS, MOVE, *LEASE)
        self.make_route("reviews")
        # Nothing is counted here, so no end can wait for it.
        route = {"istio": {"virtualService": "reviews"}}
        self.plan = plan(route, namespace, followWithin="0s")

    def make_route(self, service):
        """A VirtualService that sends all of a service's traffic to v1."""
        routes = virtual_service([to(service, 100, "v1"), to(service, 0, "v2")], name=service)
        routes["apiVersion"] = "networking.istio.io/v1beta1"
        self.cluster.ask("POST", ISTIO.format(self.namespace), routes)

    def start(self, config=None, journal=None):
        """One more replica; its log is its name."""
        config = config or self.cluster.config("surefoot")
        options = ("--lease", "surefoot", "--lease-duration", f"{DURATION}s")
        log = self.folder / f"replica-{len(self.processes)}.log"
        self.processes.append(
            start_operate(config, self.namespace, journal or self.journal, log, *options)
        )
        return self.processes[-1]

    def apply(self):
        self.cluster.apply(self.plan.document())

    def entries(self):
        with closing(open_for_reading(self.journal)) as journal:
            return [*journal.read()]

    def facts(self, kind):
        return [entry.fact for entry in self.entries() if entry.fact.kind == kind]

    def say(self, command, name=None):
        done = surefoot(command, name or self.plan.name, "--journal", self.journal)
        assert done.returncode == 0, done.stderr

    @property
    def terms(self):
        """The terms, in order; a machine too busy to renew a Lease in time has one more of them."""
        return [fact.term for fact in self.facts("elected")]

    def leader(self):
        """The process that was elected last; None before there was one."""
        names = [fact.controller for fact in self.facts("elected")]
        return next(
            (process for process in self.processes if names and of(process, names[-1])), None
        )

    def follow(self, before=None):
        """Wait until another process than this one leads."""
        until(lambda: self.leader() not in (None, before), "another leader")
        return self.leader()

    @property
    def holder(self):
        """Who holds the Lease, as the API server says."""
        path = "/apis/coordination.k8s.io/v1/namespaces/{}/leases/surefoot"
        return self.cluster.ask("GET", path.format(self.namespace))["spec"]["holderIdentity"]

    def route(self, service="reviews"):
        return self.cluster.ask("GET", f"{ISTIO.format(self.namespace)}/{service}")

    @property
    def weights(self):
        return self.weights_of("reviews")

    def weights_of(self, service):
        (routes,) = self.route(service)["spec"]["http"]
        return [destination.get("weight", 0) for destination in routes["route"]]

    def status(self, name=None):
        path = f"{PLANS.format(self.namespace)}/{name or self.plan.name}"
        answer = self.cluster.ask("GET", path)
        return answer.get("status", {}) if answer["kind"] == "RolloutPlan" else {}

    def settled(self, weights):
        """Wait until the mesh shows these weights and the journal knows it."""
        until(lambda: self.weights == weights, f"weights {weights}")
        until(lambda: self.story[-1].kind == "confirmed", "the confirmation")

    @property
    def story(self):
        """The plan's own facts; whoever leads meanwhile."""
        return [e.fact for e in self.entries() if e.fact.kind not in {"elected", "refused"}]


def of(process, identity):
    """Whether this process campaigns under this name."""
    return f"-{process.pid}-" in identity
