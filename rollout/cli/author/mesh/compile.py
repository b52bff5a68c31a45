"""`surefoot mesh compile`: turn a mesh document into what runs, and into plans."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
from pydantic import TypeAdapter, ValidationError

from rollout.cli.author.files import read_text
from rollout.cli.options.param_types import Quantity
from rollout.cli.text.mesh import format_remarks
from rollout.errors import InputError
from rollout.mesh_document.folder import write_folder
from rollout.mesh_document.model.document import ServiceMesh
from rollout.mesh_document.model.host import spell
from rollout.mesh_document.reading.load import LARGEST, load_mesh
from rollout.mesh_document.targets.compiled import ADMIN, LISTEN, Compiled, Options
from rollout.mesh_document.targets.compilers import COMPILERS, compile_mesh
from rollout.mesh_document.targets.endpoints import (
    is_itself,
    parse_endpoints,
    parse_own_address,
)
from rollout.plan.fields.base import SPELLED, Namespace

ADDRESS = Quantity("host:port", parse_own_address)
ENDPOINTS = Quantity("name=host:port", parse_endpoints)
# What one target alone reads.
_ONLY = {"endpoints": "envoy", "listen": "envoy", "admin": "envoy", "port": "gateway"}
# A trust domain and a path. Istio knows `*` as the whole beginning or the whole end only.
_PART = "[A-Za-z0-9._-]+"
_PRINCIPAL = re.compile(rf"(?:\*|{_PART})(?:/{_PART})+|{_PART}(?:/{_PART})*/\*")


@click.command(
    name="compile",
    short_help="Turn a mesh document into what runs, and into plans.",
    epilog="""\b
Examples:
  surefoot mesh compile mesh.yaml --to istio --allow cluster.local/ns/ward/sa/portal
  surefoot mesh compile mesh.yaml --to envoy --write mesh/ \\
    --endpoint summarizer=127.0.0.1:8081 --endpoint summarizer-v2=127.0.0.1:8082

What a target does otherwise, or not at all, is said on standard error: file:line:col changed or
left out, and why. Exit codes: 0 done, 2 a mistake, or something that the target refuses.""",
)
@click.argument("file", metavar="FILE")
@click.option(
    "--to", "target", type=click.Choice([*COMPILERS]), required=True, help="What runs it."
)
@click.option(
    "--write", "folder", type=click.Path(path_type=Path), help="Write a new folder of files."
)
@click.option(
    "--allow",
    "principals",
    metavar="PRINCIPAL",
    multiple=True,
    help="Who may ask the services, for `authorization`: cluster.local/ns/NAMESPACE/sa/ACCOUNT.",
)
@click.option("--namespace", help="Namespace of the services.  [default: the document's]")
@click.option(
    "--endpoint",
    "endpoints",
    type=ENDPOINTS,
    metavar="NAME=HOST:PORT[,...]",
    multiple=True,
    help="Where a service answers, for envoy; HOST:PORT@WEIGHT gives an endpoint a weight.",
)
@click.option(
    "--listen",
    type=ADDRESS,
    metavar="HOST:PORT",
    help="Where the first service is asked, for envoy; the others at the ports after it.  "
    "[default: 127.0.0.1:10000]",
)
@click.option(
    "--admin",
    type=ADDRESS,
    metavar="HOST:PORT",
    help="Envoy's admin interface, for envoy.  [default: 127.0.0.1:9901]",
)
@click.option(
    "--port",
    type=click.IntRange(1, 65_535),
    help="Port of every Service, for gateway.  [default: 80]",
)
def compile_(
    file: str, target: str, folder: Path | None, principals: tuple[str, ...], **given: Any
) -> None:
    """Turn the mesh document FILE into what runs, and into plans.

    Without --write the files are printed, each after its name.
    """
    _check_options(target, principals, given)
    source = load_mesh(read_text(file, LARGEST), file, given["namespace"])
    options = _build_options(source.mesh, principals, given)
    _check_needed(source.mesh, options)
    compiled = compile_mesh(source, target, options)
    for line in format_remarks(source, compiled.remarks):
        click.echo(line, err=True)
    if folder is None:
        for name, text in compiled.files.items():
            click.echo(f"---\n# {name}\n{text}", nl=False)
    elif compiled.files:
        write_folder(folder, compiled.files)
        click.echo("\n".join(_describe_folder(folder, compiled)))


def _check_options(target: str, principals: Sequence[str], given: dict[str, Any]) -> None:
    """Check the options by themselves. Raises InputError."""
    for name, only in _ONLY.items():
        if given[name] and target != only:
            raise InputError(f"--{name.removesuffix('s')} is for `--to {only}`")
    for principal in principals:
        if not _PRINCIPAL.fullmatch(principal):
            raise InputError(
                f"--allow {principal!r} names nobody: write cluster.local/ns/NAMESPACE/sa/ACCOUNT"
            )
    try:
        TypeAdapter(Namespace | None).validate_python(given["namespace"])
    except ValidationError as error:
        (detail, *_) = error.errors()
        raise InputError(f"--namespace must be {SPELLED[detail['ctx']['pattern']]}") from None


def _build_options(
    mesh: ServiceMesh, principals: tuple[str, ...], given: dict[str, Any]
) -> Options:
    options = Options(namespace=given["namespace"] or "")
    home = options.home_of(mesh).namespace
    endpoints = {spell(name, home): addresses for name, addresses in given["endpoints"]}
    if len(endpoints) < len(given["endpoints"]):
        raise InputError("--endpoint is given twice for a name: write NAME=HOST:PORT,HOST:PORT")
    return replace(
        options,
        principals=tuple(dict.fromkeys(principals)),
        endpoints=endpoints,
        listen=given["listen"] or LISTEN,
        admin=given["admin"] or ADMIN,
        port=given["port"] or Options.port,
    )


def _check_needed(mesh: ServiceMesh, options: Options) -> None:
    """Check that the document needs what the options say. Raises InputError."""
    if options.principals and not mesh.is_authorized:
        raise InputError("--allow needs `authorization: {enabled: true}` in the document")
    if unknown := options.endpoints.keys() - mesh.names():
        raise InputError(f"--endpoint: the document has no {', '.join(sorted(unknown))}")
    own = {address.port: address for address in options.listen_for(mesh)}
    if options.admin.port in own:
        raise InputError(f"--admin: a service is asked at port {options.admin.port} already")
    own[options.admin.port] = options.admin
    for name, addresses in options.endpoints.items():
        for address in addresses:
            if address.port in own and is_itself(address, own[address.port]):
                raise InputError(
                    f"--endpoint: {name} would answer at {address.host}:{address.port}, where "
                    "Envoy itself is asked: move it with --listen or --admin"
                )


def _describe_folder(folder: Path, compiled: Compiled) -> list[str]:
    written = [f"{folder}: {', '.join(compiled.files)}"]
    asked = [f"{name} is asked at {url}" for name, url in compiled.addresses.items()]
    quoted = shlex.quote(str(folder))
    return [*written, *asked, *(f"cd {quoted} && {command}" for command in compiled.commands)]
