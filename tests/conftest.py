"""The servers that live tests and contracts share."""

import os
import signal
from pathlib import Path

import pytest
from hypothesis import settings

from tests.live import control_plane
from tests.live.kube import kube
from tests.live.postgres import postgres
from tests.live.servers import last_words
from tests.servers import modules

# A shell that runs us in the background has us ignore Ctrl-C, and our children would inherit it.
signal.signal(signal.SIGINT, signal.default_int_handler)

# CI asks the same questions each time, half as many as everybody else, who asks new ones; so does
# a law that has a number of its own (`tests.support.examples`). No law is timed.
settings.register_profile("fixed", derandomize=True, deadline=None, max_examples=50)
settings.register_profile("fresh", deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "fresh"))


# Tests that go over the same lines thousands of times. Counting lines would take them as long as
# the lines themselves, and a line that only chance leads to is not one that a test looks at.
REPEATING = ("simulation", "property", "fuzz")


# Files whose tests with servers take longest begin first: nobody waits for them at the end then.
LONG = ("test_pipeline", "test_demo", "test_scrape")


# Where tests with servers are: `.ci/test` looks for them nowhere else, because imports cost.
LIVE = ("live", "contract", "mesh")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Tests that share servers stay together, and no test is where nobody would run it."""
    for item in items:
        folder = item.path.relative_to(item.config.rootpath / "tests").parts[0]
        is_live = item.get_closest_marker("live") is not None
        if not item.get_closest_marker("apart"):
            item.add_marker(pytest.mark.xdist_group(str(item.path)))
        if (is_live and folder not in LIVE) or (folder == "live" and not is_live):
            raise pytest.UsageError(f"{item.nodeid} would not be run: it is in the wrong folder")
        if "cluster" in item.fixturenames:
            item.add_marker(pytest.mark.cluster)
        if folder in REPEATING:
            item.add_marker(pytest.mark.no_cover)
    items.sort(key=lambda item: item.path.stem not in LONG)


_servers = pytest.StashKey[set[str]]()


def pytest_configure(config):
    config.stash[_servers] = set()


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node):
    """A worker tells which servers it has started."""
    node.config.stash[_servers].update(getattr(node, "workeroutput", {}).get("servers", ()))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport():
    """A failure shows the last lines of a server that died."""
    report = yield
    if report.failed:
        report.sections += last_words()
    return report


def pytest_sessionfinish(session):
    named = {
        f"{package.name} {modules.version(package)} ({package})"
        for package in control_plane.started
    }
    session.config.stash[_servers].update(named)
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["servers"] = sorted(named)


def pytest_terminal_summary(terminalreporter, config):
    for server in sorted(config.stash[_servers]):
        terminalreporter.write_line(f"tested with {server}")
    if listed := os.environ.get("FAILED_LIST"):  # `.ci/test` tries these once more
        reports = [r for name in ("failed", "error") for r in terminalreporter.stats.get(name, ())]
        # In the order in which they ran: what one leaves behind may stand in another's way.
        reports.sort(key=lambda report: report.start)
        names = dict.fromkeys(_without_group(r.nodeid, config.rootpath) for r in reports)
        Path(listed).write_text("".join(f"{name}\n" for name in names))


def _without_group(name, root):
    """The name of a test as the command line takes it: xdist adds its group, the file's path."""
    return name.removesuffix(f"@{root / name.partition('::')[0]}")


@pytest.fixture(scope="session")
def cluster(tmp_path_factory):
    """A real Kubernetes without nodes; it takes 5 seconds and is the same for all tests."""
    with kube(tmp_path_factory.mktemp("kube")) as running:
        yield running


@pytest.fixture
def namespace(cluster):
    """A namespace that no other test sees."""
    return cluster.new_namespace()


@pytest.fixture(scope="session")
def server():
    """A real PostgreSQL; it takes a second."""
    with postgres() as running:
        yield running
