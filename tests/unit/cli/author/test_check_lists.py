"""`surefoot check` of lists, as `kubectl get -o yaml` and other tools write several objects."""

import json
from pathlib import Path
from textwrap import indent

import pytest
import yaml
from click.testing import CliRunner
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from rollout.cli import surefoot
from rollout.plan.kube.json_schema import schema

EXAMPLES = Path(__file__).parents[4] / "manifests/examples"
GOOD = (EXAMPLES / "01-envoy-local.yaml").read_text()
NEXT = "\n  "
ITEM = f"-{indent(GOOD[GOOD.index('apiVersion') :], '  ')[1:]}"
FLOW = "metadata: {name: discharge-summarizer-v2, namespace: clinical-ai}"
BLOCK = GOOD.replace(FLOW, f"metadata:\n  {FLOW[11:-1].replace(', ', NEXT)}")
OTHER = "- {apiVersion: v1, kind: ConfigMap, metadata: {name: x}}\n"
HEADS = ["apiVersion: v1\nkind: List\nitems:\n"]
HEADS += ["apiVersion: surefoot.dev/v1alpha1\nkind: RolloutPlanList\nmetadata: {}\nitems:\n"]


def check(*arguments: object):
    return CliRunner().invoke(surefoot, ["check", *map(str, arguments)])


@pytest.fixture
def file(tmp_path):
    return tmp_path / "plans.yaml"


@pytest.mark.parametrize("head", HEADS)
def test_the_items_of_a_list_are_read_as_documents(file, head):
    file.write_text(head + OTHER + ITEM)
    for name in (file, file.parent):
        done = check(name)
        assert done.exit_code == 0, done.output
        assert "discharge-summarizer-v2 moves discharge-summarizer" in done.output


@pytest.mark.parametrize("head", HEADS)
def test_a_mistake_in_an_item_is_told_at_its_line_also_in_a_folder(file, head):
    file.write_text(head + ITEM.replace("whenBlind", "whenblind"))
    line = file.read_text().split("whenblind", maxsplit=1)[0].count("\n") + 1
    for name in (file, file.parent):
        done = check(name)
        assert done.exit_code == 2
        assert f"plans.yaml:{line}:5 P003 unknown key `whenblind`" in done.output


def test_a_list_beside_other_documents_and_twins_in_it_are_found(file):
    file.write_text(f"{GOOD}\n---\n{HEADS[0]}{ITEM}")
    assert "P010" in check(file).output


def test_a_list_without_items_holds_no_plan(file):
    file.write_text("apiVersion: v1\nkind: List\nitems: []\n")
    assert "the file holds no plan" in check(file).output


def test_a_list_s_own_mistakes_are_told(file):
    file.write_text(f"{HEADS[0]}{ITEM}items: []\n")
    assert "P002 key `items` again" in check(file).output


def test_many_aliases_of_one_item_are_one_document(file):
    file.write_text(HEADS[0] + ITEM.replace("- ", "- &a\n  ", 1) + "- *a\n" * 10_000)
    assert check(file).exit_code == 0


def test_a_file_of_another_encoding_is_told_in_a_folder_too(file):
    file.write_bytes(GOOD.encode("utf-16"))
    done = check(file.parent)
    assert (done.exit_code, "P000 not a text file in UTF-8" in done.output) == (2, True)


STORED = """\
  uid: 3f9c01ab
  resourceVersion: "12"
  generation: 3
  creationTimestamp: "2026-01-01T00:00:00Z"
  labels: {app.kubernetes.io/part-of: summaries}
  annotations:
    kubectl.kubernetes.io/last-applied-configuration: |
      {"kind": "RolloutPlan"}
  managedFields: [{manager: kubectl, fieldsV1: {"f:spec": {".": {}}}}]
"""


def test_what_kubectl_prints_of_a_stored_plan_is_the_plan_that_was_applied(file):
    file.write_text(GOOD)
    applied = json.loads(check(file, "--output", "json").stdout)
    stored = BLOCK + "status: {phase: promoted}\n"
    stored = stored.replace("metadata:\n", f"metadata:\n{STORED}", 1)
    file.write_text(stored)
    done = check(file, "--output", "json")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout) == applied
    Draft202012Validator(schema()).validate(yaml.safe_load(stored))


@pytest.mark.parametrize("key", ["lables", "Uid", "namespaces"])
def test_a_mistyped_key_of_the_metadata_is_a_mistake_still(file, key):
    file.write_text(BLOCK.replace("metadata:\n", f"metadata:\n  {key}: x\n", 1))
    assert f"P003 unknown key `{key}` in `metadata`" in check(file).output


ACCESSES = """\
apiVersion: surefoot.dev/v1alpha1
kind: PrometheusAccess
accesses:
- {name: other, servers: ["http://127.0.0.1:9090"]}
"""


def test_an_access_that_is_missing_is_told_at_its_line_in_a_list(file):
    item = ITEM.replace("prometheus: {", "prometheus: {access: none-such, ")
    assert item != ITEM
    file.write_text(HEADS[0] + "- {apiVersion: v1, kind: Other}\n" + item)
    accesses = file.parent / "accesses.yml"
    accesses.write_text(ACCESSES)
    done = check(file, "--access", accesses)
    assert done.exit_code == 2
    assert "P006" in done.output
    assert "none-such" in done.output
