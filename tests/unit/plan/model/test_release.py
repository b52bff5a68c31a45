"""What a release is made of is told by names and digests alone, under one digest."""

import hashlib

import pytest
import yaml
from pydantic import ValidationError

from rollout.errors import PlanError
from rollout.plan.reading.load import load
from tests.support.worlds import plan

A, B = "sha256:" + "a" * 64, "sha256:" + "b" * 64
SECRET = "You are a careful clinical writer"


def release_of(**components):
    """The release of a plan that declares this."""
    release = plan(release=components).spec.release
    assert release is not None
    return release


def test_a_plan_without_a_release_keeps_its_digest():
    assert "release" not in plan().document()["spec"]


@pytest.mark.parametrize(
    "component",
    [
        A,
        "sha384:" + "0" * 96,
        "sha512:" + "0" * 128,
        "blake3:" + "f" * 64,
        "judge-2026.05_b",
        f"summarizer-7b@{A}",
    ],
)
def test_names_and_digests_are_taken(component):
    release = release_of(model=component)
    assert release.components == {"model": component}


@pytest.mark.parametrize(
    "component",
    [
        SECRET,
        "Summarize\n",
        "sha256:" + "a" * 63,
        "sha256:" + "A" * 64,
        "md5:" + "a" * 32,
        "a" * 64,
        f"@{A}",
        f"{A}@{B}",
        f"{SECRET}@{A}",
        "",
    ],
)
@pytest.mark.parametrize("key", ["prompt", "model", "adapter", "parameters", "judge"])
def test_anything_else_is_refused(key, component):
    with pytest.raises(ValidationError):
        plan(release={key: component})


def test_the_digest_covers_every_component():
    release = {"prompt": A, "model": "m", "judge": B}
    text = f'{{"judge":"{B}","model":"m","prompt":"{A}"}}'
    digest = f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"
    assert release_of(**release).described["digest"] == digest
    others = [release | {"model": "n"}, release | {"adapter": "m"}, {"prompt": A, "model": "m"}]
    assert digest not in [release_of(**other).described["digest"] for other in others]


def test_a_declared_digest_is_checked_and_changes_nothing():
    release = {"prompt": A, "model": "m"}
    computed = plan(release=release)
    digest = release_of(**release).described["digest"]
    assert plan(release=release | {"digest": digest}).digest == computed.digest
    with pytest.raises(ValidationError, match="not that of the release's other keys"):
        plan(release=release | {"digest": B})


@pytest.mark.parametrize("release", [{}, {"digest": A}])
def test_an_empty_release_is_none(release):
    with pytest.raises(ValidationError, match="needs at least one of `prompt`, `model`"):
        plan(release=release)


def check(text: str) -> list[str]:
    document = plan_text(text)
    with pytest.raises(PlanError) as caught:
        load(document, "plan.yaml")
    return [str(mistake) for mistake in caught.value.mistakes]


def plan_text(release: str) -> str:
    head, _, rest = yaml.safe_dump(plan().document(), sort_keys=False).partition("spec:\n")
    return f"{head}spec:\n  release: {release}\n{rest}"


def test_a_mistake_has_its_place_and_cure_and_never_the_text():
    (mistake,) = check(f'{{prompt: "{SECRET}"}}')
    line = plan_text("").split("\n").index("  release: ") + 1
    assert mistake.startswith(f"plan.yaml:{line}:21 P006 must be a short name")
    assert "`sha256sum FILE` prints" in mistake
    assert SECRET not in mistake


def test_a_wrong_digest_is_told_with_the_right_one():
    (mistake,) = check(f'{{model: "m", digest: "{A}"}}')
    assert f"write {release_of(model='m').described['digest']}" in mistake


def test_a_mistake_elsewhere_in_the_release_says_nothing_of_its_digest():
    (mistake,) = check(f'{{model: "m", judge: "a b", digest: "{A}"}}')
    assert "P006 must be a short name" in mistake
