"""What is shipped in manifests/, for the tests of several rooms."""

from __future__ import annotations

import json
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]


MANIFESTS = ROOT / "manifests"


def documents(path):
    return [document for document in yaml.safe_load_all(path.read_text()) if document is not None]


def role_rules(*files):
    """The rules of the Roles in these files of manifests/."""
    manifests = [manifest for file in files for manifest in documents(MANIFESTS / file)]
    return [
        rule for manifest in manifests if manifest["kind"] == "Role" for rule in manifest["rules"]
    ]


def dashboard():
    return json.loads((MANIFESTS / "grafana" / "surefoot.json").read_text())


def expressions():
    """Every expression of the rules and the dashboard, with where it stands."""
    board = dashboard()
    for group in documents(MANIFESTS / "prometheus" / "alerts.yaml")[0]["groups"]:
        yield from ((rule["alert"], rule["expr"]) for rule in group["rules"])
    for panel in board["panels"]:
        yield from ((panel["title"], target["expr"]) for target in panel["targets"])
    yield from (
        (annotation["name"], annotation["expr"]) for annotation in board["annotations"]["list"]
    )
    yield from (
        (variable["name"], variable["query"]["query"])
        for variable in board["templating"]["list"]
        if variable["type"] == "query"
    )
