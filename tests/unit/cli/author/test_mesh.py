"""`surefoot mesh`: what it prints where, how it ends, and what it refuses."""

import json

import pytest
import yaml
from click.testing import CliRunner

from rollout.cli import surefoot
from tests.support.mesh_documents import ALLOWED, EXAMPLE, mesh

AUTHORIZED = ("--allow", *ALLOWED)
NOBODY = ("*", "/", "x/", "a/b c", "a/b,c/d", "a/\n", "spiffe://c/ns/a/sa/b", "c/*/sa/b", "*/sa/*")
SERVED = ("--to", "envoy", "--endpoint", "a=127.0.0.1:80")


def run(*arguments, **options):
    return CliRunner().invoke(surefoot, ["mesh", *map(str, arguments)], **options)


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "mesh.yaml"
    path.write_text(yaml.safe_dump(mesh({"name": "a", "timeout": "3s"})))
    return path


def test_check_accepts_the_example_and_says_what_compile_will_need():
    done = run("check", EXAMPLE)
    assert done.exit_code == 0, done.output
    assert "clinical-mesh has 2 services, 2 plans: canary-rollout, by-ward\n" in done.stdout
    assert "1 file checked, no mistakes" in done.stdout
    assert done.stderr.endswith(
        "changed: nobody is named who may ask: `surefoot mesh compile` needs --allow PRINCIPAL\n"
    )
    assert done.stderr.startswith(f"{EXAMPLE}:24:")


def test_check_prints_each_mistake_of_every_file_with_its_line(file, tmp_path):
    bad = tmp_path / "bad.yaml"
    bad.write_text(file.read_text().replace("timeout: 3s", "timeout: 3"))
    done = run("check", file, bad, tmp_path / "none.yaml")
    assert done.exit_code == 2
    assert f"{bad}:8:14 P005 write a duration with its unit" in done.output
    assert "P000 No such file or directory" in done.output
    assert "3 files checked, 2 mistakes" in done.output


def test_check_as_json(file):
    text = file.read_text().replace("ServiceMesh", "Mesh")
    report = json.loads(run("check", "--output", "json", "-", input=text).stdout)
    assert report["meshes"] == []
    (mistake,) = report["mistakes"]
    assert (mistake["line"], mistake["code"]) == (2, "P006")
    report = json.loads(run("check", "--output", "json", file).stdout)
    assert report["meshes"] == [
        {"file": str(file), "name": "clinical-mesh", "services": ["a"], "plans": []}
    ]


def test_standard_input_is_text_too():
    done = run("compile", "-", "--to", "istio", input=b"kind: \xe9\n")
    assert (done.exit_code, done.stderr) == (2, "surefoot: -: not a text file in UTF-8\n")


def test_compile_prints_the_files_and_says_on_stderr_what_is_otherwise():
    done = run("compile", EXAMPLE, "--to", "istio", *AUTHORIZED)
    assert done.exit_code == 0, done.output
    kinds = [document["kind"] for document in yaml.safe_load_all(done.stdout) if document]
    assert kinds == [
        *["DestinationRule"] * 3,
        *["VirtualService", "PeerAuthentication", "AuthorizationPolicy", "VirtualService"],
        *["RolloutPlan"] * 2,
    ]
    assert "# plans/by-ward.yaml\n" in done.stdout
    lines = done.stderr.splitlines()
    places = [
        tuple(map(int, line.removeprefix(f"{EXAMPLE}:").split(":")[:2]))
        for line in [line.partition(" ")[0] for line in lines]
    ]
    assert places == sorted(places), "in the file's order"
    outcomes = {line.partition(" ")[2].partition(":")[0] for line in lines}
    assert outcomes == {"changed", "left out"}


@pytest.mark.parametrize("target", ["istio", "gateway"])
def test_the_same_document_gives_the_same_bytes(target, tmp_path):
    outputs = {run("compile", EXAMPLE, "--to", target, *AUTHORIZED).stdout for _ in range(2)}
    assert len(outputs) == 1


def test_compile_writes_a_folder_once_and_prints_what_starts_it(file, tmp_path):
    folder = tmp_path / "new mesh"
    arguments = ("compile", file, "--to", "envoy", "--endpoint", "a=127.0.0.1:1", "--write", folder)
    done = run(*arguments)
    assert done.exit_code == 0, done.output
    assert done.stdout.splitlines() == [
        f"{folder}: envoy.yaml, watched/clusters.yaml, watched/routes-a.yaml",
        "a is asked at http://127.0.0.1:10000",
        f"cd '{folder}' && envoy -c envoy.yaml --disable-hot-restart",
    ]
    before = (folder / "envoy.yaml").read_bytes()
    again = run(*arguments)
    assert again.exit_code == 2
    assert "is there already" in again.stderr
    assert (folder / "envoy.yaml").read_bytes() == before


def test_no_folder_is_written_where_a_target_has_to_be_told_nothing(tmp_path):
    done = run(
        *("compile", "-", "--to", "istio", "--write", tmp_path / "mesh"),
        input=yaml.safe_dump(mesh("a")),
    )
    assert (done.exit_code, done.stdout) == (0, "")
    assert "left out: there is nothing to write" in done.stderr
    assert not (tmp_path / "mesh").exists()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--to", "istio", "--endpoint", "a=h:1"], "--endpoint is for `--to envoy`"),
        (["--to", "istio", "--listen", "[::1]:1"], "--listen is for `--to envoy`"),
        (["--to", "envoy", "--port", "80"], "--port is for `--to gateway`"),
        (
            ["--to", "istio", "--allow", "*/x", "--allow", "x/y/*"],
            "--allow needs `authorization: {enabled: true}`",
        ),
        *[(["--to", "istio", "--allow", who], "names nobody") for who in NOBODY],
        (["--to", "istio", "--namespace", "No Space"], "--namespace must be lower-case letters"),
        (["--to", "envoy", "--endpoint", "a=h"], "write HOST:PORT"),
        (["--to", "envoy", "--listen", "h:1"], "Envoy listens at an address, not a name"),
        ([*SERVED, "--admin", "127.0.0.1:10000"], "a service is asked at port 10000 already"),
        ([*SERVED, "--listen", "127.0.0.1:80"], "a would answer at 127.0.0.1:80, where Envoy"),
        ([*SERVED, "--listen", "0.0.0.0:80"], "a would answer at 127.0.0.1:80, where Envoy"),
        ([*SERVED, "--admin", "127.0.0.1:80"], "a would answer at 127.0.0.1:80, where Envoy"),
        (["--to", "envoy", "--endpoint", "a=localhost:10000"], "a would answer at localhost:10000"),
        (["--to", "envoy", "--endpoint", "b=h:1"], "--endpoint: the document has no b"),
        (
            ["--to", "envoy", "--endpoint", "a=h:1", "--endpoint", "a=h:2"],
            "--endpoint is given twice for a name",
        ),
        (["--to", "envoy"], "P034 where does `a` answer? (say it: --endpoint a=HOST:PORT)"),
        (["--to", "linkerd"], "'linkerd' is not one of"),
    ],
)
def test_compile_refuses_options_that_say_nothing(file, options, words):
    done = run("compile", file, *options)
    assert done.exit_code == 2
    assert words in done.stderr
    assert done.stdout == ""


def test_compile_needs_somebody_who_may_ask():
    done = run("compile", EXAMPLE, "--to", "gateway")
    assert done.exit_code == 2
    assert "P034 an empty policy denies everything, and a rule without limits allows" in done.stderr


def test_diff_says_what_changes_and_that_nothing_does(file, tmp_path):
    other = tmp_path / "other.yaml"
    other.write_text(file.read_text().replace("3s", "4s"))
    done = run("diff", file, other)
    assert (done.exit_code, done.stdout) == (
        0,
        "a: a request ends after 4s; before: a request ends after 3s\n",
    )
    assert run("diff", file, file).stdout == "nothing changes for traffic\n"
    other.write_text("kind: ServiceMesh\n")
    assert run("diff", file, other).exit_code == 2


def test_schema_is_printed():
    assert json.loads(run("schema").stdout)["title"] == "ServiceMesh"
