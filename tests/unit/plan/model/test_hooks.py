"""Hooks in plans: what is refused, and what a failure may do."""

import pytest
from pydantic import ValidationError

from rollout.plan.model.hooks import Hook
from tests.support.worlds import plan

TELL = {"name": "tell", "when": "promoted", "url": "https://hooks.example/x"}


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"url": "https://ada:secret@hooks.example/x"}, "remove the name and password"),
        ({"url": "https://token@hooks.example"}, "remove the name and password"),
        ({"timeout": "31s"}, "at most 30s"),
        ({"attempts": 0}, "greater than or equal to 1"),
        ({"onFailure": "pause"}, "only a `before` hook can pause"),
        ({"when": "always"}, "'before', 'promoted'"),
        ({"url": "ftp://x"}, "should match pattern"),
    ],
)
def test_what_is_refused(wrong, words):
    with pytest.raises(ValidationError, match=words) as caught:
        plan(hooks=[TELL | wrong])
    assert "secret" not in str([error["msg"] for error in caught.value.errors()])


def test_an_at_sign_elsewhere_is_no_password():
    assert plan(hooks=[TELL | {"url": "https://hooks.example/a@b?c=d@e"}]).spec.hooks


def test_names_are_given_once():
    with pytest.raises(ValidationError, match="given twice"):
        plan(hooks=[TELL, TELL])


def test_only_what_comes_before_can_stop_a_rollout():
    before = TELL | {"when": "before"}
    gates = [TELL, before, before | {"onFailure": "continue"}]
    assert [Hook.model_validate(hook).gates for hook in gates] == [False, True, False]


def test_a_plan_without_hooks_keeps_its_digest():
    assert "hooks" not in plan().document()["spec"]
