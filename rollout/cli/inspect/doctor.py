"""`surefoot doctor`: check everything that plans need, before anything is started."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rollout.cli.options.journal import journal_option
from rollout.cli.options.key_file import key_file_option
from rollout.cli.options.prometheus import prometheus_options
from rollout.cli.options.reach import limited
from rollout.cli.options.templates import templates_option
from rollout.errors import DONE, FAILED
from rollout.journal.location import JournalLocation

if TYPE_CHECKING:
    from rollout.doctor.finding import Level
    from rollout.observe.access.settings import PrometheusSettings

_COLOURS: dict[Level, str] = {"ok": "green", "warn": "yellow", "fail": "red"}


@click.command(
    short_help="Check what plans need, and print what to fix.",
    epilog="""\b
Examples:
  surefoot doctor plan.yaml
  surefoot doctor --namespace clinical-ai                  the plans in the cluster
  surefoot doctor --namespace clinical-ai plans/*.yaml     those files
  kubectl exec -n clinical-ai deploy/surefoot -- surefoot doctor -n clinical-ai

Exit codes: 0 nothing failed, 1 a check failed, 2 bad input. It changes nothing.""",
)
@click.argument("plans", nargs=-1, type=click.Path(path_type=Path))
@click.option(
    "-n",
    "--namespace",
    help="Also check what `surefoot operate` needs there; without PLANS, check the plans in it.",
)
@journal_option()
@key_file_option
@click.option("--context", help="Context of the kubeconfig; in a pod its own cluster is used.")
@click.option("--lease", default="", help="Also check what a replica needs for this Lease.")
@click.option("--triggers", is_flag=True, help="Also check what `operate --triggers` needs.")
@limited
@templates_option
@prometheus_options
@click.option(
    "--json", "as_json", is_flag=True, help="Print JSON: [{check, subject, level, said, fix}]."
)
def doctor(
    plans: tuple[Path, ...],
    namespace: str | None,
    journal: JournalLocation | None,
    key_file: Path | None,
    context: str | None,
    *,
    allow: Path | None,
    templates_folder: Path | None,
    settings: PrometheusSettings,
    lease: str,
    triggers: bool,
    as_json: bool,
) -> None:
    """Check Prometheus, the series of PLANS, their mesh, the cluster, rights and the journal.

    One line for each check: ok, warn or fail, the finding, and after `->` what to do.
    """
    from rollout.doctor.examine import examine
    from rollout.journal.location import default_path
    from rollout.plan.reading.files import load_files
    from rollout.plan.reading.templates import load_templates, make_context
    from rollout.reach import load_reach
    from rollout.wire.doctor_tools import doctor_tools

    loaded = load_files(plans, make_context(load_templates(templates_folder)))
    findings = []
    reach = load_reach(allow)
    where, tools = journal or default_path(), doctor_tools(context, settings, reach)
    # Each finding is printed at once: a check of an unreachable cluster takes seconds.
    checks = examine(loaded, namespace, where, tools, lease, triggers=triggers, key_file=key_file)
    for finding in checks:
        findings.append(finding)
        if not as_json:
            click.secho(str(finding), fg=_COLOURS[finding.level])
    levels = Counter(finding.level for finding in findings)
    if as_json:
        click.echo(json.dumps([asdict(finding) for finding in findings], indent=2))
    else:
        click.echo(", ".join(f"{levels[level]} {level}" for level in _COLOURS))
    raise SystemExit(FAILED if levels["fail"] else DONE)
