"""`surefoot check` and `surefoot schema`: plans before anything is started."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from typing import Literal

import click

from rollout.cli.caret import explain
from rollout.decide.compared import compared_with, exposed, observational
from rollout.errors import BAD_INPUT, InputError, Mistake, PlanError
from rollout.plan.load import load, read
from rollout.plan.model import Budget, Plan, Switch
from rollout.plan.schema import schema_text
from rollout.plan.units import duration, percent

INDEPENDENT = "requests are taken as independent"


@click.command(
    short_help="Find every mistake in plans; change nothing.",
    epilog="""\b
Examples:
  surefoot check plan.yaml
  surefoot check manifests/examples/*.yaml
  surefoot check --output json plan.yaml | jq .mistakes""",
)
@click.argument("plans", metavar="PLAN...", nargs=-1, required=True)
@click.option(
    "--output",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="json: {plans: [{file, name, id, digest}], "
    "mistakes: [{file, line, column, code, message, hint}]}",
)
def check(plans: tuple[str, ...], output: Literal["text", "json"]) -> None:
    """Find every mistake in plans; change nothing.

    Prints each mistake as file:line:column code message; `-` reads standard input. The codes are
    explained in docs/plan-errors.md. Exit code 2 with any mistake.
    """
    files = dict.fromkeys(plans)
    found, mistakes, texts = _read(files)
    if output == "json":
        click.echo(_json(found, mistakes))
    else:
        click.echo(_text(found, mistakes, texts, len(files)))
    if mistakes:
        sys.exit(BAD_INPUT)


@click.command(
    short_help="Print the JSON Schema of plans, for editors.",
    epilog="""\b
Examples:
  surefoot schema > rolloutplan.json
  surefoot schema --crd | kubectl apply -f -
  surefoot schema --crd=trigger | kubectl apply -f -""",
)
@click.option(
    "--crd",
    type=click.Choice(["plan", "trigger"]),
    is_flag=False,
    flag_value="plan",
    help="Print the definition of plans, or of their triggers, as Kubernetes resources.",
)
def schema(*, crd: str | None) -> None:
    """Print the JSON Schema of plans, for editors.

    An editor with the YAML language server completes and checks a plan whose first line is
    `# yaml-language-server: $schema=PATH`.
    """
    if crd:
        from rollout.plan import trigger
        from rollout.plan.crd import definition_text

        made = (None,) if crd == "plan" else (trigger.definition(), "--crd=trigger")
        click.echo(definition_text(*made), nl=False)
    else:
        click.echo(schema_text(), nl=False)


Found = list[tuple[str, Plan]]


def _read(files: dict[str, None]) -> tuple[Found, list[Mistake], dict[str, str]]:
    found: Found = []
    mistakes: list[Mistake] = []
    texts: dict[str, str] = {}
    for file in files:
        try:
            texts[file] = sys.stdin.read() if file == "-" else read(file)
            found += [(file, plan) for plan in load(texts[file], file)]
        except PlanError as error:
            mistakes += error.mistakes
        except InputError as error:
            reason = str(error).removeprefix(f"{file}: ")
            mistakes.append(Mistake(file, 1, 1, "P000", reason))
    return found, mistakes, texts


def _json(found: Found, mistakes: list[Mistake]) -> str:
    plans = [
        {"file": file, "name": plan.name, "id": plan.id, "digest": plan.digest}
        for file, plan in found
    ]
    return json.dumps({"plans": plans, "mistakes": [asdict(each) for each in mistakes]}, indent=2)


def _text(found: Found, mistakes: list[Mistake], texts: dict[str, str], files: int) -> str:
    good = [f"{file}: {_in_words(plan)}" for file, plan in found]
    bad = [explain(mistakes, texts)] if mistakes else []
    total = f"{_count(files, 'file')} checked, {_count(len(mistakes), 'mistake')}"
    return "\n".join([*good, *bad, total])


def _in_words(plan: Plan) -> str:
    spec = plan.spec
    names = [guardrail.name for guardrail in spec.guardrails]
    exposure = "".join(f"\n  {words}" for words in exposed(plan))
    return (
        f"{click.style(plan.name, bold=True)} moves {spec.service} "
        f"from {spec.stable.version} to {spec.canary.version} {_ramp(plan)}, "
        f"as long as {_and(names)} get{'' if names[1:] else 's'} no worse than allowed "
        f"(false rollback {percent(spec.confidence.false_rollback)}, "
        f"false promotion {percent(spec.confidence.false_promotion)})\n"
        f"  {pods_in_words(plan)}{exposure}{_hooks(plan)}"
    )


def pods_in_words(plan: Plan) -> str:
    """What the error rates rest on: stable's own past, or an assumption."""
    pods = plan.spec.pods
    if pods is None:
        return f"{INDEPENDENT}: declare `pods` to learn it from stable's past"
    unknown = {
        "assume": "requests are taken as independent",
        "pause": "the rollout pauses",
        "refuse": "the rollout does not begin",
    }[pods.when_unknown]
    calibrated = "; it begins only when calibrated" if pods.require_calibration else ""
    return (
        f"bursts and differences between pods are learnt from {duration(pods.history)} of stable's "
        f"past (label `{pods.label}`); where that allows no valid test {unknown}{calibrated}"
    )


def _ramp(plan: Plan) -> str:
    """How the traffic comes to the canary, and whose."""
    traffic, label = plan.spec.traffic, observational(plan)
    mirror, segment = (traffic.mirror, traffic.segment) if traffic else (None, None)
    told = [_steps(plan)]
    if mirror:
        told.insert(0, f"by copies of {percent(mirror.share)} for {duration(mirror.lasts)}, then ")
    if segment:
        kind, match = segment.key
        told += [f" of the requests with that {kind} `{match.name}`"]
    if label and not isinstance(plan.spec.ramp, Switch):
        told += [f", {label}"]
    if held := plan.spec.holdback:
        told += [f", then all but {percent(held.share)} for {duration(held.lasts)}"]
    return "".join(told)


_MOMENTS = {
    "before": "before the first step",
    "promoted": "when promoted",
    "rolledBack": "when rolled back",
    "undone": "when undone",
}


def _hooks(plan: Plan) -> str:
    """Which hooks are called when."""
    called = [f"{hook.name} {_MOMENTS[hook.when]}" for hook in plan.spec.hooks or []]
    return f"\n  calls {_and(called)}" if called else ""


def _steps(plan: Plan) -> str:
    ramp = plan.spec.ramp
    bake = duration(ramp.bake)
    if isinstance(ramp, Switch):
        return f"by one switch to {percent(ramp.most)}, {compared_with(plan)}"
    if isinstance(ramp, Budget):
        return f"from {percent(ramp.min)} to {percent(ramp.max)} as the evidence allows"
    return f"over {_and([percent(step) for step in ramp.steps])} ({bake} at least each)"


def _and(words: list[str]) -> str:
    return " and ".join([", ".join(words[:-1]), words[-1]] if words[1:] else words)


def _count(number: int, noun: str) -> str:
    return f"{number or 'no'} {noun}{'' if number == 1 else 's'}"
