"""A real PostgreSQL server for tests, with a database for each of them."""

import itertools
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import psycopg

from rollout.demo.servers.process import Process, free_ports

_INSTALL = "run `apt-get install -y postgresql`"


class LocalPostgres:
    """PostgreSQL on a free port of this machine; `postgres` may enter without a password."""

    def __init__(self, port: int, command: list[str], log: Path) -> None:
        self.port, self._numbers = port, itertools.count(1)
        self._command, self._log = command, log
        self.start()

    def start(self) -> None:
        """Start the server, also again after its death."""
        self.process = Process("postgres", self._command, self._log)
        self.process.wait_until(lambda: _ready(self.port))

    def url(self, database: str = "postgres", user: str = "postgres") -> str:
        return f"postgresql+psycopg://{user}@127.0.0.1:{self.port}/{database}"

    def new(self) -> str:
        """The URL of an empty database that no other test sees."""
        name = f"journal_{next(self._numbers)}"
        self.ask("postgres", f"CREATE DATABASE {name}")
        return self.url(name)

    def ask(self, database: str, *statements: str) -> list[tuple[object, ...]]:
        """What somebody with psql does; a URL of ours names a database too."""
        name = database.rpartition("/")[2]
        address = f"host=127.0.0.1 port={self.port} user=postgres dbname={name}"
        rows: list[tuple[object, ...]] = []
        with closing(psycopg.connect(address, autocommit=True)) as raw:
            for statement in statements:
                done = raw.execute(statement.encode())
                rows += done.fetchall() if done.description else []
        return rows

    def cut_off(self, url: str) -> None:
        """End every connection of a database, as a restart of the server does."""
        connections = "SELECT pid FROM pg_stat_activity WHERE datname = current_database()"
        self.ask(
            url,
            f"SELECT pg_terminate_backend(pid, 5000) FROM ({connections}) other "  # noqa: S608
            "WHERE pid <> pg_backend_pid()",
        )


@contextmanager
def postgres():
    """A server with its data in a folder of its own; both are gone at the end."""
    with tempfile.TemporaryDirectory(prefix="surefoot-postgres-") as folder:
        data, (port,) = Path(folder), free_ports(1)
        if os.geteuid() == 0:  # the server refuses to be root's
            shutil.chown(data, "postgres", "postgres")
        words = ["-A", "trust", "-U", "postgres", "-E", "UTF8", "--no-locale", "--no-sync"]
        make = _lowered([_binary("initdb"), "-D", data / "data", *words])
        done = subprocess.run(make, capture_output=True, text=True, check=False, cwd="/")
        assert done.returncode == 0, done.stderr
        settings = {
            "port": port,
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "fsync": "off",  # no power cut is tested here
            "shared_buffers": "16MB",
        }
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        command = _lowered([_binary("postgres"), "-D", data / "data", *options])
        server = LocalPostgres(port, command, data / "server.log")
        try:
            yield server
        finally:
            with suppress(ProcessLookupError):
                os.kill(server.process.pid, signal.SIGINT)  # at once, whoever is still connected
            server.process.stop()


def _binary(name: str) -> Path:
    binaries = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    other = shutil.which(name)
    assert binaries or other, f"{name} of PostgreSQL is missing: {_INSTALL}"
    return binaries[-1] if binaries else Path(str(other))


def _lowered(command: Sequence[object]) -> list[str]:
    """The command for a user without rights; it still dies with us."""
    words = list(map(str, command))
    if os.geteuid() != 0:
        return words
    lower = ["--reuid=postgres", "--regid=postgres", "--clear-groups", "--pdeathsig=KILL"]
    return ["setpriv", *lower, *words]


def _ready(port: int) -> bool:
    try:
        psycopg.connect(host="127.0.0.1", port=port, user="postgres").close()
    except psycopg.OperationalError:
        return False
    return True
