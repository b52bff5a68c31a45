"""`surefoot operate`: run the controller of a cluster, with plans as custom resources."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from rollout.cli.options.authority import authority_option
from rollout.cli.options.journal import journal_option
from rollout.cli.options.key_file import key_file_option
from rollout.cli.options.metrics_server import serving
from rollout.cli.options.page import page_beside, page_option
from rollout.cli.options.param_types import SECONDS
from rollout.cli.options.prometheus import prometheus_options
from rollout.cli.options.reach import limited
from rollout.journal.location import JournalLocation
from rollout.redact import redact

if TYPE_CHECKING:
    from rollout.observe.access.settings import PrometheusSettings
    from rollout.plan.model.terms import Authority
    from rollout.ports import Entry

_QUIET = 60.0  # seconds during which the same problem is printed only once


@click.command(
    short_help="Run the plans of a cluster until stopped.",
    epilog="""\b
Examples:
  kubectl apply -f manifests/crd.yaml
  surefoot operate --namespace clinical-ai --journal /data/journal.db
  kubectl apply -f plan.yaml; kubectl get plans -w

An edited plan starts a new rollout once the current one has ended. A deleted plan is aborted: all
traffic goes back to stable. Of a plan only its status is written.""",
)
@click.option("-n", "--namespace", help="Only the plans of this namespace; of all when left out.")
@journal_option()
@key_file_option
@click.option("--context", help="Context of the kubeconfig; in a pod its own cluster is used.")
@click.option(
    "--triggers",
    is_flag=True,
    help="Also create plans for new versions, as RolloutTriggers declare.",
)
@click.option(
    "--lease",
    metavar="[NAMESPACE/]NAME",
    help="Run several replicas: the one that holds this Lease decides. Needs PostgreSQL.",
)
@click.option("--lease-duration", type=SECONDS, default="15s", show_default=True, hidden=True)
@authority_option
@limited
@serving
@page_option
@prometheus_options
def operate(
    namespace: str | None,
    journal: JournalLocation | None,
    key_file: Path | None,
    context: str | None,
    *,
    triggers: bool,
    lease: str | None,
    lease_duration: float,
    settings: PrometheusSettings,
    metrics: int | None,
    metrics_address: str,
    page: int | None,
    page_token: Path | None,
    allow: Path | None,
    authority: Authority,
) -> None:
    """Run the RolloutPlans of a cluster, and show the status of each."""
    from rollout.cli.inspect.log import print_entry
    from rollout.journal.location import default_path, shown
    from rollout.reach import load_reach
    from rollout.wire.clock import SystemClock
    from rollout.wire.operate import operator
    from rollout.wire.run import open_meter, stop_on_signal
    from rollout.wire.shard import Shard

    where, clock = journal or default_path(), SystemClock()
    reach = load_reach(allow)
    shard = Shard(
        where, namespace, lease, lease_duration, triggers, key_file, settings, reach, authority
    )
    printed_at: dict[str, float] = {}

    def on_problem(problem: str) -> None:
        now = clock.now()
        # Forget old problems first, so that the table cannot grow for ever.
        for expired in [text for text, at in printed_at.items() if now - at >= _QUIET]:
            del printed_at[expired]
        if problem not in printed_at:
            printed_at[problem] = now
            click.echo(f"problem: {redact(problem)}", err=True)

    def on_entry(entry: Entry) -> None:
        meter.note(entry)
        print_entry(entry)

    with (
        stop_on_signal() as stops,
        open_meter(metrics, metrics_address) as meter,
        operator(shard, context, on_entry, on_problem, meter=meter) as pacer,
        page_beside(page, where, page_token),
    ):
        scope = f"namespace {namespace}" if namespace else "all namespaces"
        scope += f"; leader while it holds the Lease {lease}" if lease else ""
        click.echo(
            f"journal {shown(where)}; plans of {scope}; Ctrl-C stops, weights stay", err=True
        )
        stops.end(pacer)
        pacer.run()
