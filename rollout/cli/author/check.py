"""`surefoot check`: validate plans before anything is started."""

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
from rollout.redact import redact_values


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
    explained in docs/plan-errors.md. Exit code 2 if there is a mistake.
    """
    files = dict.fromkeys(plans)
    accepted, mistakes, texts = _read_files(files)
    if output == "json":
        click.echo(_render_json(accepted, mistakes))
    else:
        click.echo(_render_text(accepted, mistakes, texts, len(files)))
    if mistakes:
        sys.exit(BAD_INPUT)


AcceptedPlans = list[tuple[str, Plan]]  # the file and each valid plan in it


def _read_files(files: dict[str, None]) -> tuple[AcceptedPlans, list[Mistake], dict[str, str]]:
    """Read every file; return the valid plans, the mistakes and the text of each file.

    The texts are kept for the excerpts in messages: standard input can be read only once.
    """
    accepted: AcceptedPlans = []
    mistakes: list[Mistake] = []
    texts: dict[str, str] = {}
    for file in files:
        try:
            texts[file] = sys.stdin.read() if file == "-" else read(file)
            accepted += [(file, plan) for plan in load(texts[file], file)]
        except PlanError as error:
            mistakes += error.mistakes
        except InputError as error:
            reason = str(error).removeprefix(f"{file}: ")
            mistakes.append(Mistake(file, 1, 1, "P000", reason))
    return accepted, mistakes, texts


def _render_json(accepted: AcceptedPlans, mistakes: list[Mistake]) -> str:
    plans = [
        {"file": file, "name": plan.name, "id": plan.id, "digest": plan.digest}
        for file, plan in accepted
    ]
    document = {"plans": plans, "mistakes": [asdict(mistake) for mistake in mistakes]}
    return json.dumps(redact_values(document), indent=2)


def _render_text(
    accepted: AcceptedPlans, mistakes: list[Mistake], texts: dict[str, str], files: int
) -> str:
    plans = [f"{file}: {in_words(plan)}" for file, plan in accepted]
    errors = [explain(mistakes, texts)] if mistakes else []
    total = f"{_format_count(files, 'file')} checked, {_format_count(len(mistakes), 'mistake')}"
    return "\n".join([*plans, *errors, total])


def _format_count(number: int, noun: str) -> str:
    return f"{number or 'no'} {noun}{'' if number == 1 else 's'}"
