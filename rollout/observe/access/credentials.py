"""Find the access that a plan names, and read its secrets at the moment they are needed."""

from __future__ import annotations

import os
import re
from base64 import b64decode, b64encode
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from stat import S_IMODE

from pydantic import SecretStr

from rollout.answers.plain_file import is_plain
from rollout.errors import ObserveError
from rollout.observe.access.address import Parameters, name_host, parse_address, split_parameters
from rollout.observe.access.model import Access
from rollout.observe.access.reading import load_accesses
from rollout.plan.model.prometheus import PrometheusServer
from rollout.redact import MASK

_LARGEST = 65_536  # bytes of a secret
_MOUNT = "mount the Secret that holds it, or mend the path in the access file"
_NO_WAIT = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC
# Printable characters of Latin-1, without a space at either end: what a header can hold.
_SENDABLE = re.compile(r"[\x21-\x7e\xa0-\xff]([\x20-\x7e\xa0-\xff]*[\x21-\x7e\xa0-\xff])?")


@dataclass(frozen=True)
class AskedServer:
    """A server as it is asked: where, with which access, and with which parameters."""

    base: str
    host: str
    parameters: Parameters = ()
    access: Access | None = None
    folder: Path = Path()
    file: Path | None = None

    @property
    def path_of_ca(self) -> str | None:
        return self._find(self.access.ca) if self.access and self.access.ca else None

    @property
    def paths_of_certificate(self) -> tuple[str, str] | None:
        certificate = self.access.certificate if self.access else None
        if certificate is None:
            return None
        return self._find(certificate.cert), self._find(certificate.key)

    def list_exposed(self) -> Iterator[str]:
        """Yield the files of ours that hold a secret and that others may read.

        One that others own, such as a mounted Secret, is theirs to protect.
        """
        access = self.access
        if access is None:
            return
        own = [header.value_file for header in access.headers]
        own += [access.bearer.token_file] if access.bearer else []
        own += [access.basic.password_file] if access.basic else []
        own += [access.certificate.key] if access.certificate else []
        paths = [self._find(name) for name in own if name]
        if self.file is not None and access.holds_secret:
            paths.append(str(self.file))
        for path in paths:
            with suppress(OSError):  # what cannot be read is told where it is used
                status = Path(path).stat()
                if status.st_uid == os.geteuid() and S_IMODE(status.st_mode) & 0o077:
                    yield path

    def stamp_files(self) -> tuple[object, ...]:
        """Return what changes when a certificate's file does. Raises ObserveError."""
        paths = filter(None, (self.path_of_ca, *(self.paths_of_certificate or ())))
        return tuple(self._stamp(path) for path in paths)

    def read_headers(self) -> dict[str, str]:
        """Return the headers of the next request. Raises ObserveError without the secret."""
        access = self.access
        if access is None:
            return {}
        headers = {
            header.name: self._read(header.value, header.value_file, header.name)
            for header in access.headers
        }
        if access.bearer:
            token = self._read(access.bearer.token, access.bearer.token_file, "token")
            if " " in token:
                cure = "a token has no blanks: leave out the word `Bearer`, or use `headers`"
                raise self.fail("its token cannot be sent", cure)
            headers["Authorization"] = f"Bearer {token}"
        if access.basic:
            basic = access.basic
            password = self._read(basic.password, basic.password_file, "password")
            pair = b64encode(f"{basic.username}:{password}".encode()).decode()
            headers["Authorization"] = f"Basic {pair}"
        return headers

    def _read(self, secret: SecretStr | None, file: str | None, what: str) -> str:
        text = secret.get_secret_value() if secret else self._read_file(file or "", what)
        if not _SENDABLE.fullmatch(text):
            where = f" ({self._find(file)})" if file else ""
            problem = f"its {what} cannot be sent{where}"
            raise self.fail(problem, "write it as one line of plain text")
        return text

    def _read_file(self, name: str, what: str) -> str:
        """Return the text of a regular file: a pipe makes wait, and a device has no end."""
        path = self._find(name)
        try:
            with os.fdopen(os.open(path, _NO_WAIT), "rb") as file:
                is_regular = is_plain(os.fstat(file.fileno()))
                content = file.read(_LARGEST + 1) if is_regular else b""
        except OSError as error:
            raise self._fail_to_read(path, error) from None
        if not is_regular:
            raise self.fail(f"{path}: no regular file", _MOUNT)
        if len(content) > _LARGEST:
            raise self.fail(f"{path}: too large for a {what}", _MOUNT)
        try:
            return content.decode().strip()
        except UnicodeDecodeError:
            raise self.fail(f"its {what} cannot be sent", f"{path} is no text") from None

    def _stamp(self, path: str) -> tuple[int, int, int]:
        try:
            status = Path(path).stat()
        except OSError as error:
            raise self._fail_to_read(path, error) from None
        return status.st_ino, status.st_mtime_ns, status.st_size

    def _find(self, name: str) -> str:
        return str(self.folder / Path(name).expanduser())

    def fail(self, problem: str, cure: str) -> ObserveError:
        """Return the error that the access cannot be used."""
        name = self.access.name if self.access else ""
        return ObserveError(f"the access {name} cannot be used: {problem}", cure)

    def _fail_to_read(self, path: str, error: OSError) -> ObserveError:
        return self.fail(f"{path}: {error.strerror or type(error).__name__}", _MOUNT)


def hide(text: str, headers: Mapping[str, str]) -> str:
    """Return a server's text without the values of the headers that were sent to it."""
    for secret in sorted(_list_secrets(headers), key=len, reverse=True):
        text = re.sub(re.escape(secret), MASK, text, flags=re.IGNORECASE)
    return text


def _list_secrets(headers: Mapping[str, str]) -> Iterator[str]:
    for value in headers.values():
        scheme, _, last = value.rpartition(" ")
        yield from filter(None, (value, last))
        if scheme == "Basic":
            yield from filter(None, (b64decode(last).decode().partition(":")[2],))


@dataclass(frozen=True)
class Accesses:
    """The accesses of an installation; none of them without a file."""

    accesses: Sequence[Access] = ()
    folder: Path = field(default_factory=Path)
    file: Path | None = None

    @classmethod
    def load(cls, path: Path) -> Accesses:
        """Load an access file. Raises InputError."""
        return cls(load_accesses(path).accesses, path.absolute().parent, path)

    def resolve(self, server: PrometheusServer) -> AskedServer:
        """Return how a server is asked.

        With an access the address is the one that the access declares, to the letter: what a plan
        adds is its parameters, and only those that the access does not set. Raises ObserveError
        where there is no such access, or it is for other servers.
        """
        if server.access is None:
            base, parameters = split_parameters(server.url)
            return AskedServer(base, name_host(server.url), parameters)
        access = self._find(server.access)
        address = parse_address(server.url)
        declared = next((text for text in access.servers if parse_address(text) == address), None)
        if address is None or declared is None:
            # A plain address has no user in it; of any other only the host is told.
            where = split_parameters(server.url)[0] if address else name_host(server.url)
            raise ObserveError(
                f"the access {access.name} is not for {where}",
                "name one of its servers in the plan, or let the installation add this one to "
                "its `servers`",
            )
        fixed = tuple((parameter.name, parameter.value) for parameter in access.query)
        names = {name for name, _ in fixed}
        added = tuple(pair for pair in split_parameters(server.url)[1] if pair[0] not in names)
        base = split_parameters(declared)[0]
        parameters = *fixed, *added
        return AskedServer(base, name_host(base), parameters, access, self.folder, self.file)

    def _find(self, name: str) -> Access:
        for access in self.accesses:
            if access.name == name:
                return access
        cure = "declare it in the access file, which --access or SUREFOOT_ACCESS names"
        raise ObserveError(f"there is no access {name}", cure)
