"""`surefoot check`: plans before anything is started."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from typing import Literal

import click

from rollout.cli.text.plan import in_words
from rollout.cli.text.plan_errors import explain
from rollout.errors import BAD_INPUT, InputError, Mistake, PlanError
from rollout.plan.model.plan import Plan
from rollout.plan.reading.load import load, read


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
    good = [f"{file}: {in_words(plan)}" for file, plan in found]
    bad = [explain(mistakes, texts)] if mistakes else []
    total = f"{_count(files, 'file')} checked, {_count(len(mistakes), 'mistake')}"
    return "\n".join([*good, *bad, total])


def _count(number: int, noun: str) -> str:
    return f"{number or 'no'} {noun}{'' if number == 1 else 's'}"
