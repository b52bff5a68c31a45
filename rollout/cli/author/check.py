"""`surefoot check`: validate plans before anything is started."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import click

from rollout.cli.author.files import (
    CheckedFiles,
    OutputForm,
    list_files,
    output_option,
    read_files,
    read_text,
)
from rollout.cli.author.findings import NOTE
from rollout.cli.options.prometheus import prometheus_options
from rollout.cli.options.templates import templates_option
from rollout.cli.text.plan import in_words, list_notes
from rollout.errors import BAD_INPUT, InputError, Mistake
from rollout.observe.access.check import find_access_mistakes
from rollout.observe.access.settings import PrometheusSettings
from rollout.plan.fields.codes import CODES
from rollout.plan.model.plan import Plan
from rollout.plan.reading.load import find_document, load, may_hold_plan
from rollout.plan.reading.templates import load_templates, make_context

# Also a kind or a version that is mistyped: in a file alone it is a mistake, and a folder must not
# hide it.
_KIND = r"kind\W+(?!RolloutTrigger\b)(?i:rollout|\w*plan)"
_PLAN = re.compile(
    rf"(?s)\A(?=.*apiVersion\W+surefoot\.dev/).*{_KIND}|(?m:^[\s\"'{{]*kind\W+RolloutPlan\b)"
)


def _explain(ctx: click.Context, _option: click.Parameter, code: str | None) -> None:
    """Print what a code means and end. Raises InputError for one that does not exist."""
    if code is None:
        return
    meaning = CODES.get(code.upper())
    if meaning is None:
        raise InputError(f"there is no code {code!r}; the codes are {', '.join(CODES)}")
    click.echo(f"{code.upper()}: {meaning}")
    ctx.exit()


@click.command(
    short_help="Find every mistake in plans; change nothing.",
    epilog="""\b
Examples:
  surefoot check plan.yaml
  surefoot check manifests/
  surefoot check --explain P012
  surefoot check --output json plan.yaml | jq .mistakes
  surefoot check --output sarif manifests/*.yaml > plans.sarif""",
)
@click.argument("plans", metavar="PLAN...", nargs=-1, required=True)
@output_option("plans: [{file, name, id, digest, notes}]")
@click.option(
    "--explain",
    metavar="CODE",
    callback=_explain,
    expose_value=False,
    is_eager=True,
    help="Say what a code such as P012 means, and check nothing.",
)
@templates_option
@prometheus_options
def check(
    plans: tuple[str, ...],
    output: OutputForm,
    templates_folder: Path | None,
    settings: PrometheusSettings,
) -> None:
    """Find every mistake in plans; change nothing. With an access file, also whether it has the
    accesses that they name, for the servers that they name.

    Prints each mistake as file:line:column code message. A folder stands for the YAML files in it
    and below it that hold plans, `-` for standard input; documents of other kinds beside plans are
    passed over, and the items of a `List` are read as documents. The codes are explained in
    docs/plan-errors.md. Exit code 2 if there is a mistake.
    """
    context = make_context(load_templates(templates_folder))
    checked = read_files(_list_files(plans), partial(load, context=context))
    if settings.access_file is not None:
        accesses = settings.accesses
        for file, plan in checked.accepted:
            applied = plan.reading_by_default(settings.default)
            checked.mistakes += find_access_mistakes(applied, checked.texts[file], file, accesses)
    checked.notes = [
        note
        for file, plan in checked.accepted
        for note in _place_notes(checked.texts[file], file, plan)
    ]
    lines = (f"{file}: {in_words(plan)}" for file, plan in checked.accepted)
    click.echo(checked.render(output, "surefoot check", lines, plans=_list_plans(checked)))
    if checked.mistakes:
        sys.exit(BAD_INPUT)


def _list_files(names: Iterable[str]) -> Iterator[str]:
    """Yield the files, and for a folder those in it that hold plans. Raises InputError if none."""
    for name in names:
        folder = Path(name)
        if name == "-" or not folder.is_dir():
            yield name
            continue
        files = [file for file in list_files(folder, _PLAN) if _may_hold_plan(file)]
        if not files:
            raise InputError(f"{name}: no YAML file in this folder or below it holds a plan")
        yield from files


def _may_hold_plan(file: str) -> bool:
    """Return whether a file has more than other kinds, which may quote a plan; or is unreadable."""
    try:
        return may_hold_plan(read_text(file))
    except InputError:
        return True


def _place_notes(text: str, file: str, plan: Plan) -> Iterator[Mistake]:
    """Yield a plan's notes at its name, for a file of several."""
    notes = list_notes(plan)
    if notes:
        document = find_document(plan.name, text, file)
        _, node = document.find(("metadata", "name"))
        yield from (document.mistake(node, NOTE, f"{plan.name}: {words}") for words in notes)


def _list_plans(checked: CheckedFiles[Plan]) -> list[dict[str, Any]]:
    return [
        {
            "file": file,
            "name": plan.name,
            "id": plan.id,
            "digest": plan.digest,
            "notes": list_notes(plan),
        }
        for file, plan in checked.accepted
    ]
