"""The lives of many rollouts at once: applied, carried out, removed again, under load."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import yaml

from rollout.decide.record.facts import Fact
from rollout.decide.record.route_facts import Confirmed
from rollout.demo.servers.process import Process
from rollout.journal.index import by_rollout
from rollout.journal.open import open_for_reading
from tests.live.operating import PLANS, start_operate
from tests.live.pipeline import until
from tests.mesh.record import Recorder
from tests.mesh.story import Story
from tests.mesh.traffic import Request
from tests.mesh.world import NAMESPACE, MeshWorld, wait_for
from tests.support.manifests import role_rules

BAD = 0.7  # share of a bad version's answers that are errors
_ENDS = {"promoted", "rolled back"}
_DEPLOYMENTS = f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments"

Json = dict[str, Any]


@dataclass(frozen=True)
class Life:
    """What happened to one rollout, and to every request that was meant for its service.

    `arrivals` are the versions where each request arrived; `removal` is when `surefoot remove`
    began and ended (unix seconds) for the stories that ask for it; `ended` and `removed` are the
    cluster that serves in the end and the routes, as an Envoy had them before and after.
    """

    story: Story
    phase: str
    facts: Sequence[Fact]
    requests: Sequence[Request]
    arrivals: dict[int, list[str]]
    removal: tuple[float, float]
    ended: Json
    removed: Json

    @property
    def end(self) -> float:
        """Until when its route was there (unix seconds)."""
        return self.removal[0] if self.story.is_removed else self.removal[1]

    @property
    def confirmations(self) -> list[tuple[Confirmed, float]]:
        """Each confirmation, and when the next decision could move traffic again."""
        return [
            (fact, next((at for at in self.moves if at > fact.at), self.end))
            for fact in self.facts
            if isinstance(fact, Confirmed)
        ]

    @property
    def moves(self) -> list[float]:
        """When it was decided to move traffic."""
        return [fact.at for fact in self.facts if fact.kind == "decided" and fact.action != "hold"]

    def between(self, begin: float, end: float, *, inside: bool | None = None) -> list[Request]:
        """The requests sent and answered in this time, of the segment or outside where it says.

        One that was sent just before a move may be routed after it.
        """
        return [
            request
            for request in self.requests
            if begin <= request.sent and request.answered < end
            if inside is None or request.stream.endswith("inside") == inside
        ]

    def copies(self, request: Request) -> list[str]:
        """Where a request arrived once more, without an answer that anybody saw."""
        arrivals = [*self.arrivals.get(request.number, ())]
        if request.version in arrivals:
            arrivals.remove(request.version)
        return arrivals


@dataclass(frozen=True)
class Lives:
    """All of them, and what the Envoys showed meanwhile."""

    by_service: dict[str, Life]
    recorder: Recorder
    rejections: int
    warnings: Sequence[str]


def live(world: MeshWorld, stories: Sequence[Story], folder: Path) -> Lives:
    """Carry out every story at the same time, with one controller that has the install's rights."""
    _prepare(world, stories)
    config, journal = world.cluster.config("surefoot"), folder / "journal.db"
    rejections, warnings = world.istiod.rejections(), len(world.istiod.warnings())
    ended: dict[str, Json] = {}
    with Recorder(world.proxies).running() as recorder:
        world.traffic.flow(*chain.from_iterable(story.streams(world) for story in stories))
        try:
            with start_operate(config, NAMESPACE, journal, folder / "operate.log") as process:
                world.apply(*[story.plan(world.prometheus) for story in stories])
                until(lambda: _all_ended(world, process), "every rollout has ended", 360)
            phases = _phases(world)
            time.sleep(1.0)
            leaving = [story for story in stories if story.is_removed]
            ended |= {story.service: _served_as(world, story) for story in leaving}
            _scale_down(world, leaving)
            begin = time.time()
            _remove(world, leaving, journal, folder)
            removal = begin, time.time()
            time.sleep(1.0)
        finally:
            world.traffic.rest()
    removed = {story.service: _served_as(world, story) for story in leaving}
    facts, requests = _facts(journal), _by_service(world.traffic.requests)
    answers = _arrivals(world)
    lives = {
        story.service: Life(
            story=story,
            phase=phases[story.service],
            facts=facts[f"{story.service}-v2"],
            requests=requests[story.service],
            arrivals=answers,
            removal=removal,
            ended=ended.get(story.service, {}),
            removed=removed.get(story.service, {}),
        )
        for story in stories
    }
    new = world.istiod.warnings()[warnings:]
    return Lives(lives, recorder, world.istiod.rejections() - rejections, new)


def _by_service(requests: Sequence[Request]) -> dict[str, list[Request]]:
    services: dict[str, list[Request]] = {}
    for request in requests:
        services.setdefault(request.stream.partition("/")[0], []).append(request)
    return services


def _arrivals(world: MeshWorld) -> dict[int, list[str]]:
    """The versions where each request arrived, by its number."""
    arrivals: dict[int, list[str]] = {}
    for arrival in world.traffic.arrivals:
        arrivals.setdefault(arrival.number, []).append(arrival.version)
    return arrivals


def _prepare(world: MeshWorld, stories: Sequence[Story]) -> None:
    """Everything but the plans: rights, pods, routes; each Envoy knows each route."""
    rules = role_rules("base/role.yaml", "components/creation/role.yaml")
    world.cluster.allow("surefoot", NAMESPACE, *rules)
    world.apply(*[manifest for story in stories for manifest in story.manifests()])
    for story in stories:
        if story.end == "rolled back":
            world.traffic.errors[story.service, "v2"] = BAD

    def all_ready() -> bool:
        items = world.cluster.ask("GET", _DEPLOYMENTS)["items"]
        return all(item["status"].get("readyReplicas") for item in items)

    until(all_ready, "all pods are ready", 60)
    for story in stories:
        if not story.is_made:
            wait_for([world.edge] if story.kind == "edge" else world.sidecars, story.host)
    time.sleep(1.0)  # endpoints reach an Envoy within a moment of its routes


def _phases(world: MeshWorld) -> dict[str, str]:
    items = world.cluster.ask("GET", PLANS.format(NAMESPACE))["items"]
    return {item["spec"]["service"]: item.get("status", {}).get("phase", "") for item in items}


def _all_ended(world: MeshWorld, process: Process) -> bool:
    assert process.running, process.tail()
    return set(_phases(world).values()) <= _ENDS


def _scale_down(world: MeshWorld, stories: Sequence[Story]) -> None:
    """The pods that nobody wants go, and the Envoys know it."""
    for story in stories:
        name = f"deploy/{story.service}-{story.loser}"
        done = world.cluster.kubectl("scale", name, "--replicas=0", "-n", NAMESPACE)
        assert done.returncode == 0, done.stderr
    for story in stories:
        until(partial(_has_one_pod, world, story), f"{story.loser} of {story.service} is gone", 30)
    time.sleep(1.0)


def _has_one_pod(world: MeshWorld, story: Story) -> bool:
    path = f"/api/v1/namespaces/{NAMESPACE}/pods?labelSelector=app%3D{story.service}"
    return len(world.cluster.ask("GET", path)["items"]) == 1


def _remove(world: MeshWorld, stories: Sequence[Story], journal: Path, folder: Path) -> None:
    """What a person says in the end: `surefoot remove`."""
    processes = []
    for story in stories:
        file = folder / f"{story.service}.yaml"
        file.write_text(yaml.safe_dump(story.plan(world.prometheus)))
        command = [sys.executable, "-m", "rollout.cli", "remove", str(file), "--yes"]
        with file.with_suffix(".log").open("w") as log:
            process = subprocess.Popen(
                [*command, "--journal", str(journal)],
                env=world.cluster.environment(),
                stdout=log,
                stderr=log,
            )
        processes.append((process, file.with_suffix(".log")))
    for process, path in processes:
        assert process.wait(60) == 0, path.read_text()


def _served_as(world: MeshWorld, story: Story) -> Json:
    """The cluster of the version that serves in the end, and the routes, as an Envoy has them."""
    envoy = world.edge if story.kind == "edge" else world.sidecars[0]
    wanted = story.cluster(story.winner)
    clusters = [
        entry["cluster"]
        for entry in envoy.dump("dynamic_active_clusters")
        if entry["cluster"]["name"] == wanted
    ]
    actions = [route.action for route in envoy.routes(story.host)]
    return {"cluster": clusters[0] if clusters else None, "actions": actions}


def _facts(journal: Path) -> dict[str, list[Fact]]:
    """The facts of each rollout, by its plan's name."""
    with closing(open_for_reading(journal)) as opened:
        entries = by_rollout(opened.read())
    return {
        rollout.rpartition("-")[0]: [entry.fact for entry in facts]
        for rollout, facts in entries.items()
    }
