"""`surefoot report` and `surefoot notebooks`: what analysts and auditors take along."""

from __future__ import annotations

import json
from pathlib import Path

import click

from rollout.cli.options.journal import READ, journal_option
from rollout.errors import InputError
from rollout.journal.location import JournalLocation


@click.command(
    epilog="""\b
Examples:
  surefoot report discharge-summarizer-v3
  surefoot report discharge-summarizer-v3 --journal june.jsonl --to june-v3.html
  surefoot report discharge-summarizer-v3 --json | jq .tables.scorecard""",
)
@click.argument("name")
@journal_option(READ)
@click.option(
    "--to",
    type=click.Path(path_type=Path),
    help="File to write; without it report-NAME.html in the working folder.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the report as one JSON object.")
@click.option("--force", is_flag=True, help="Also of a journal that fails its verification.")
def report(
    name: str, journal: JournalLocation | None, to: Path | None, *, as_json: bool, force: bool
) -> None:
    """Write a report of the newest rollout of NAME: one HTML file that opens offline and prints.

    It has the result, the checks of the data, charts, the decision log, the replay, the plan, and a
    place for sign-off. An existing file is replaced.
    """
    from rollout.experiment.read import read
    from rollout.experiment.report.document import compose
    from rollout.journal.location import default_path

    if as_json and to is not None:
        raise InputError("--json prints the report: give either it or --to")
    experiment = read(journal or default_path(), force=force)[name]
    document = compose(experiment)
    if as_json:
        click.echo(json.dumps(document.as_json(), ensure_ascii=False))
        return
    from rollout.experiment.report.render import to_page
    from rollout.journal.owned_file import replace_file

    path = to or Path(f"report-{document.rollout}.html")
    replace_file(path, to_page(experiment, document))
    click.echo(f"{document.name}: {document.card.outcome}; the report is {path}")


@click.command(
    epilog="""\b
Example:
  surefoot notebooks review/ && jupyter lab review/""",
)
@click.argument("folder", type=click.Path(path_type=Path))
def notebooks(folder: Path) -> None:
    """Copy the notebooks for analysts, and a small recording that they show, to FOLDER.

    Files that are there already stay as they are.
    """
    from rollout.experiment.notebooks import copy_notebooks

    copied, left = copy_notebooks(folder)
    click.echo(f"{len(copied)} files copied to {folder}: open 01_review_a_rollout.ipynb first")
    if left:
        click.echo(f"left as they were: {', '.join(left)}", err=True)
