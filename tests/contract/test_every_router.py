"""What every router must do, whatever mesh it moves."""

import time

import pytest

from rollout.decide.split import Split
from rollout.ports import Router
from rollout.route.proxy import EnvoyRouter
from rollout.simulate import MemoryRouter
from tests.mesh import mesh, plan_for

pytestmark = pytest.mark.live


@pytest.fixture(scope="module")
def envoy(tmp_path_factory):
    with mesh(tmp_path_factory.mktemp("envoy")) as running:
        yield running


@pytest.fixture(params=["memory", "envoy"])
def router(request, envoy) -> Router:
    if request.param == "envoy":
        EnvoyRouter().write(envoy.plan, Split(0), "fresh")
        shown(EnvoyRouter(), envoy.plan, "fresh")
        return EnvoyRouter()
    return MemoryRouter()


@pytest.fixture
def plan(envoy):
    return envoy.plan


def shown(router, plan, mark, total=100):
    """What the mesh shows once it shows this mark; no mesh takes 5 s."""
    until = time.monotonic() + 5
    while (seen := router.read(plan, total)).mark != mark:
        assert time.monotonic() < until, f"still {seen}; {router.diagnose(plan)}"
        time.sleep(0.005)
    return seen


def test_a_fresh_mesh_has_no_canary(router, plan):
    assert router.read(plan, 100).split == Split(0)


@pytest.mark.parametrize("split", [Split(5), Split(100), Split(0), Split(10, 10_000)])
def test_what_is_written_is_shown_with_its_mark(router, plan, split):
    router.write(plan, split, "m1")
    assert shown(router, plan, "m1", split.total).split == split


def test_writing_again_changes_nothing(router, plan):
    for _ in range(3):
        router.write(plan, Split(5), "again")
        assert shown(router, plan, "again").split == Split(5)


def test_the_last_write_wins(router, plan):
    for number in range(1, 6):
        router.write(plan, Split(number), f"w{number}")
    assert shown(router, plan, "w5").split == Split(5)


def test_the_same_split_under_a_new_mark_is_shown_with_it(router, plan):
    router.write(plan, Split(5), "first")
    router.write(plan, Split(5), "second")
    assert shown(router, plan, "second").split == Split(5)


def test_the_next_rollout_starts_without_its_canary(router, envoy, plan):
    router.write(plan, Split(0), "back")
    shown(router, plan, "back")
    assert router.read(plan_for(envoy.envoy, canary="v3"), 100).split == Split(0)


def test_a_mesh_that_shows_what_was_written_has_nothing_to_explain(router, plan):
    router.write(plan, Split(5), "fine")
    shown(router, plan, "fine")
    assert router.diagnose(plan) == ""
