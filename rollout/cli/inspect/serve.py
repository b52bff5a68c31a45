"""`surefoot serve` and `surefoot site`: the read-only web page, live or as files."""

from __future__ import annotations

from pathlib import Path

import click

from rollout.cli.options.journal import READ, journal_option
from rollout.cli.options.page import open_pages, token_of_user
from rollout.journal.location import JournalLocation


@click.command(
    short_help="Show rollouts and decisions as a web page.",
    epilog="""\b
Examples:
  surefoot serve
  surefoot serve --journal demo/journal.jsonl --port 9000
  surefoot serve --address 0.0.0.0 --name surefoot.example.org --token-file page.token \\
    --certificate tls.crt --key tls.key

The page reads the journal and changes nothing. Sign in with the token in the file that is named at
the start. Programs send it as a header: Authorization: Bearer TOKEN.""",
)
@journal_option(READ)
@click.option("--address", default="127.0.0.1", show_default=True, help="Address to serve on.")
@click.option(
    "--port", type=click.IntRange(1, 65535), default=8377, show_default=True, help="Port."
)
@click.option(
    "--name", "names", multiple=True, help="A name by which browsers reach it; may be repeated."
)
@click.option(
    "--token-file",
    type=click.Path(path_type=Path),
    help="File with the token, its owner's alone; made if missing; default: in the state folder.",
)
@click.option(
    "--gate-file",
    type=click.Path(path_type=Path),
    help="File with the secret of the gates' path, its owner's alone; made if missing; "
    "default: no gates.",
)
@click.option("--certificate", type=click.Path(path_type=Path), help="TLS certificate (PEM).")
@click.option("--key", type=click.Path(path_type=Path), help="The certificate's key (PEM).")
def serve(
    journal: JournalLocation | None,
    *,
    address: str,
    port: int,
    names: tuple[str, ...],
    token_file: Path | None,
    gate_file: Path | None,
    certificate: Path | None,
    key: Path | None,
) -> None:
    """Serve the page of a journal until Ctrl-C; on this machine only, unless told otherwise."""
    from rollout.journal.location import default_path
    from rollout.page.render import Links
    from rollout.page.serve import PageListener, access_for
    from rollout.page.serve import serve as serve_pages

    listener = PageListener(address, port, names, certificate, key)
    listener.check(has_token_file=token_file is not None)
    where = journal or default_path()
    file = token_file or token_of_user()
    with open_pages(where, Links()) as pages:
        pages.reader.refresh()
        access = access_for(listener, file, gate_file)
        words = f"{listener.url}  (the token to sign in stands in {file})"
        if gate_file is not None:
            gate = f"{listener.url}api/v1/gate/SECRET/NAME/step"
            words += f"\n{gate}  (a gate; the secret stands in {gate_file})"
        serve_pages(pages, listener, access, lambda: click.echo(words))


@click.command(
    short_help="Write the web page as files.",
    epilog="""\b
Examples:
  surefoot site review/
  surefoot site review/ --journal june.jsonl

Open index.html in the folder: no server and no network is needed.""",
)
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@journal_option(READ)
@click.option("--force", is_flag=True, help="Write also into a folder that holds other files.")
def site(folder: Path, journal: JournalLocation | None, *, force: bool) -> None:
    """Write every page of a journal into FOLDER: rollouts, services, decisions, the log.

    A site of ours in FOLDER is replaced; a folder with other files is refused.
    """
    from rollout.errors import InputError
    from rollout.journal.location import default_path
    from rollout.page.render import FileLinks
    from rollout.page.site import check_folder, write_site

    missing = "the page needs more packages: pip install 'surefoot[page]'"
    with open_pages(journal or default_path(), FileLinks()) as pages:
        try:
            if not force:
                check_folder(folder)
            count = write_site(pages, folder)
        except OSError as error:
            raise InputError(f"{folder} cannot be written: {error.strerror}") from error
        except ModuleNotFoundError as error:
            raise InputError(missing) from error
    click.echo(f"{count:,} files in {folder}: open {folder / 'index.html'}")
