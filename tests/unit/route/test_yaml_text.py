"""A route file in YAML is read within bounds, whatever its aliases stand for."""

import pytest
import yaml

from rollout.errors import RouteError
from rollout.route.envoy import watched
from rollout.route.yaml_text import parse_yaml, write_yaml
from tests.support.fuzzing import INPUTS, fuzz

LEVELS = 9
NESTED = "\n".join(
    ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    + [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, LEVELS)]
)
KEYS = ", ".join(f"k{number}: 1" for number in range(20_000))
MERGED = f"a: &a {{{KEYS}}}\nb: [{', '.join(['{<<: *a}'] * 2_000)}]"
ODD = [
    NESTED,
    MERGED,
    "a: &a [*a]",
    "a: &a {b: *a}",
    "[" * 20_000,
    'a: "\\U99999999"',
    "a: " + "9" * 5_000,
    "a: " + "9:" * 5_000 + "1",
    "a: 0x" + "f" * 50_000,
    "a: 2020-99-99",
    "a: !!python/object/apply:os.system [x]",
    "a: !!binary aGVsbG8=",
    "#" * (2**20 + 1),
]


@pytest.mark.parametrize("text", ODD, ids=range(len(ODD)))
def test_what_is_too_much_or_no_document_is_refused_in_time(tmp_path, text):
    file = tmp_path / "rds.yaml"
    file.write_text(text)
    refused = []

    def check(_mutator):
        with pytest.raises(RouteError) as caught:
            watched.load(file)
        refused.append(caught.value)

    fuzz("yaml", 1 / INPUTS, check)
    assert all(error.unread for error in refused)


def test_what_aliases_share_is_apart_once_it_is_read():
    document = parse_yaml("a: &x {w: 1}\nb: *x\n")
    document["a"]["w"] = 2
    assert document["b"] == {"w": 1}


def test_what_is_written_is_read_again():
    document = {"version_info": "1", "resources": [{"name": "r", "n": None, "text": "on: \u202e"}]}
    assert parse_yaml(write_yaml(document)) == document
    assert yaml.safe_load(write_yaml(document)) == document
