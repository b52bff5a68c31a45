"""What an installation allows plans to name, and who is told what is not."""

import time

import pytest
from click.testing import CliRunner

from rollout.cli import surefoot
from rollout.errors import AddressError, InputError
from rollout.ports import HookCall
from rollout.reach import Reach, load_reach
from rollout.webhook import WebHooks
from tests.support.recording_server import serving
from tests.support.worlds import plan

METADATA = {"url": "http://0xa9fea9fe", "scrape": "1s"}
ELSEWHERE = {
    "name": "errors",
    "template": "envoy/errors",
    "margin": {"absolute": "1%"},
    "prometheus": {"url": "http://no:9090"},
}
HOOK = {"name": "a", "when": "promoted", "url": "http://no"}


@pytest.mark.parametrize(
    ("entry", "url"),
    [
        ("prometheus.monitoring.svc", "http://prometheus.monitoring.svc:9090/x"),
        ("Prometheus.Monitoring.svc:9090", "http://PROMETHEUS.monitoring.svc.:9090"),
        ("prometheus:80", "http://prometheus"),
        ("*.example.org:443", "https://a.b.example.org"),
        ("10.0.0.0/8", "http://10.1.2.3:9090"),
        ("127.0.0.1", "http://2130706433:9090"),
        ("[fd00::/16]:9090", "http://user:secret@[fd00::1]:9090"),
    ],
)
def test_an_entry_allows_its_hosts(entry, url):
    Reach(prometheus=[entry]).check_prometheus(url)


@pytest.mark.parametrize(
    ("entry", "url"),
    [
        ("prometheus", "http://prometheus.evil"),
        ("prometheus:9090", "http://prometheus:9091"),
        ("*.example.org", "http://example.org"),
        ("*.example.org", "http://evilexample.org"),
        ("10.0.0.0/8", "http://11.0.0.1"),
        ("10.0.0.0/8", "http://ten.example"),
        ("good.example", "http://good.example@evil.example/"),
        ("good.example", "http://evil.example\\@good.example/"),
        ("good.example", "http://evil.example#@good.example/"),
        ("good.example", "http://[bad"),
    ],
)
def test_an_entry_allows_no_other_host(entry, url):
    with pytest.raises(AddressError):
        Reach(hooks=[entry]).check_hook(url)


@pytest.mark.parametrize(
    ("allowed", "spec", "words"),
    [
        ({"prometheus": []}, {}, "the list `prometheus`"),
        ({"prometheus": ["127.0.0.1"]}, {"guardrails": [ELSEWHERE]}, "no:9090"),
        (
            {"hooks": ["ok"]},
            {"hooks": [HOOK]},
            "no:80",
        ),
        ({"envoy": ["ok"]}, {"route": {"envoy": {"file": "/a/b", "admin": "http://no:1"}}}, "no:1"),
        ({"files": ["/a"]}, {"route": {"envoy": {"file": "/b/r", "admin": "http://no"}}}, "/b/r"),
        ({"files": ["/a"]}, {"route": {"envoy": {"file": "/a/../b", "admin": "http://no"}}}, "/b"),
        (
            {"files": ["/a"]},
            {"route": {"envoy": {"file": "/a/r", "admin": "http://no", "clusterFile": "/c"}}},
            "/c",
        ),
        ({}, {"prometheus": METADATA}, "link-local"),
        ({"prometheus": ["0.0.0.0/0"]}, {"prometheus": METADATA}, "link-local"),
    ],
)
def test_a_plan_that_names_what_is_not_allowed_is_refused(allowed, spec, words):
    with pytest.raises(AddressError, match=words):
        Reach.model_validate(allowed).check_plan(plan(**spec))


def test_a_plan_that_names_what_is_allowed_is_not():
    Reach().check_plan(plan())
    everything = {"prometheus": ["*.1", "127.0.0.0/8"], "envoy": ["127.0.0.1"], "files": ["/"]}
    Reach.model_validate(everything).check_plan(plan())


def test_a_link_out_of_an_allowed_folder_is_refused(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "r.json").symlink_to(tmp_path / "out.json")
    named = plan(route={"envoy": {"file": str(tmp_path / "in" / "r.json"), "admin": "http://a"}})
    with pytest.raises(AddressError):
        Reach(files=[str(tmp_path / "in")]).check_plan(named)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("hooks: [a b]", "hooks.0: write HOST"),
        ("hooks: ['10.0.0.1/8']", "hooks.0: write HOST"),
        ("hook: [a]", "hook: Extra inputs"),
        ("files: [etc]", "files.0: write the whole path"),
        ("[", "cannot be read as YAML"),
        ("- 1", "the file"),
    ],
)
def test_a_list_with_a_mistake_is_told_and_nothing_starts(tmp_path, text, words):
    file = tmp_path / "allow.yaml"
    file.write_text(text)
    with pytest.raises(InputError, match=words.replace("[", r"\[")):
        load_reach(file)
    done = CliRunner().invoke(surefoot, ["operate", "--allow", str(file)])
    assert done.exit_code == 2
    assert words.partition(":")[0] in done.stderr


def test_run_and_doctor_refuse_a_plan_by_the_list(tmp_path):
    allow, journal = tmp_path / "allow.yaml", str(tmp_path / "journal.db")
    allow.write_text("prometheus: []\n")
    file = "manifests/examples/01-envoy-local.yaml"
    options = ["--allow", str(allow), "--journal", journal]
    done = CliRunner().invoke(surefoot, ["run", file, *options])
    assert (done.exit_code, "plans may not reach" in done.stderr) == (2, True)
    done = CliRunner().invoke(surefoot, ["doctor", file, *options])
    assert (done.exit_code, "plans may not reach" in done.stdout) == (1, True)


def replies(hooks):
    until = time.monotonic() + 5
    while not (answers := hooks.replies()) and time.monotonic() < until:
        time.sleep(0.01)
    return [reply.problem for reply in answers]


def test_a_hook_is_called_by_the_list_and_follows_no_redirect():
    with serving() as other, serving(status=302, location=other.url) as server:
        port = server.port
        hooks = WebHooks(time.monotonic, Reach(hooks=[f"127.0.0.1:{port}"]).check_hook)
        hooks.call(HookCall("a", server.url, 1.0, {}))
        assert replies(hooks) == ["HTTP 302"]
        hooks.call(HookCall("b", other.url, 1.0, {}))
        (problem,) = replies(hooks)
        assert "not in the list `hooks`" in problem
        hooks.call(HookCall("c", "http://169.254.169.254/", 1.0, {}))
        assert "link-local" in replies(hooks)[0]
        assert (server.paths, other.paths) == (["/"], [])
