"""What plans may reach from here: the hosts and files that an installation allows.

Whoever writes a plan names a Prometheus, hooks, an Envoy's admin port and its files, and the
controller asks and writes them with its own network and rights. A list of the installation limits
that. Link-local addresses are refused with and without one.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from socket import AI_NUMERICHOST
from typing import Annotated, Any

import yaml
from pydantic import AfterValidator, Field, ValidationError
from urllib3.exceptions import LocationParseError
from urllib3.util import parse_url

from rollout.answers.input_file import read_input
from rollout.answers.link_local import check_host, resolve
from rollout.errors import AddressError, InputError
from rollout.plan.fields.base import Model
from rollout.plan.model.plan import Plan
from rollout.redact import redact

_PLACE = re.compile(r"(?P<host>\[[^\[\]]+\]|[^\s:\[\]]+)(:(?P<port>[0-9]{1,5}))?")
_NAME = re.compile(r"(\*\.)?[a-z0-9_]([-a-z0-9_.]*[a-z0-9_])?")
_SPELLED = "write HOST, *.DOMAIN, ADDRESS or NETWORK/BITS ([...] around IPv6), and maybe :PORT"
_PORTS = {"http": 80, "https": 443}
_LARGEST = 1_000_000  # bytes


@dataclass(frozen=True)
class HostPort:
    """The host and the port of a URL, as its client reads them; the host is in lower case."""

    host: str
    port: int | None

    def fits(self, allowed: str) -> bool:
        """Return whether an entry of a list names this host. Raises ValueError for no entry."""
        entry = _PLACE.fullmatch(allowed)
        if entry is None:
            raise ValueError(_SPELLED)
        host = entry["host"].strip("[]").lower()
        return self._is_host(host) and entry["port"] in (None, str(self.port))

    def _is_host(self, allowed: str) -> bool:
        try:
            network = ipaddress.ip_network(allowed)
        except ValueError:
            if not _NAME.fullmatch(allowed):
                raise ValueError(_SPELLED) from None
            is_domain = allowed.startswith("*.")
            return self.host.endswith(allowed[1:]) if is_domain else self.host == allowed
        try:
            return ipaddress.ip_address(self.host) in network
        except ValueError:
            return False  # a name is allowed by name, and not by what it leads to


def _check_entry(text: str) -> str:
    HostPort("", None).fits(text)
    return text


def _check_folder(text: str) -> str:
    if not Path(text).is_absolute():
        raise ValueError("write the whole path of a folder")
    return text


Hosts = list[Annotated[str, AfterValidator(_check_entry)]] | None
Folders = list[Annotated[str, AfterValidator(_check_folder)]] | None


class Reach(Model):
    """What plans may name; what is left out is not limited, and an empty list allows nothing."""

    prometheus: Hosts = Field(None, description="Hosts of Prometheus servers.")
    hooks: Hosts = Field(None, description="Hosts of hooks.")
    envoy: Hosts = Field(None, description="Hosts of Envoys' admin ports.")
    files: Folders = Field(None, description="Folders of the files that Envoys watch.")

    def check_prometheus(self, url: str) -> None:
        """Raise AddressError for a Prometheus that no plan may ask."""
        _check_url("prometheus", self.prometheus, url)

    def check_hook(self, url: str) -> None:
        """Raise AddressError for a hook that no plan may call."""
        _check_url("hooks", self.hooks, url)

    def check_plan(self, plan: Plan) -> None:
        """Raise AddressError for a plan that names what it may not reach."""
        spec = plan.spec
        self.check_prometheus(spec.prometheus.server.url)
        for guardrail in spec.guardrails:
            if guardrail.prometheus is not None:
                self.check_prometheus(guardrail.prometheus.url)
        for hook in spec.hooks or ():
            self.check_hook(hook.url)
        if spec.route.envoy is not None:
            _check_url("envoy", self.envoy, spec.route.envoy.admin)
            for file in (spec.route.envoy.file, spec.route.envoy.cluster_file):
                if file is not None:
                    _check_file(self.files, Path(file))


def load_reach(path: Path | None) -> Reach:
    """Return what a file allows; without one nothing is limited. Raises InputError."""
    if path is None:
        return Reach()
    try:
        document: Any = yaml.safe_load(_read_text(path))
        return Reach.model_validate({} if document is None else document)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}") from None
    except ValidationError as error:
        raise InputError("\n".join(_describe_mistakes(path, error))) from None
    except (ValueError, OverflowError, RecursionError, yaml.YAMLError) as error:
        raise InputError(f"{path}: cannot be read as YAML: {error}") from None


def _read_text(path: Path) -> str:
    """Return the text of a file. Raises OSError, ValueError, also for a device without an end."""
    content = read_input(path, _LARGEST)
    if len(content) > _LARGEST:
        raise ValueError("it is too large")
    return content.decode()


def _describe_mistakes(path: Path, error: ValidationError) -> Iterator[str]:
    for mistake in error.errors():
        key = ".".join(map(str, mistake["loc"])) or "the file"
        yield f"{path}: {key}: {mistake['msg'].removeprefix('Value error, ')}"


def _check_url(key: str, allowed: Hosts, url: str) -> None:
    try:
        target = _read_host(url)
    except LocationParseError:
        raise AddressError(f"{redact(url)} is no address") from None
    check_host(target.host)
    if allowed is not None and not any(map(target.fits, allowed)):
        raise AddressError(
            f"plans may not reach {target.host}:{target.port} here: it is not in the list `{key}` "
            "of what this installation allows"
        )


def _check_file(allowed: Folders, file: Path) -> None:
    """Raise AddressError for a file outside the allowed folders, wherever links lead."""
    real = file.resolve()
    if allowed is not None and not any(real.is_relative_to(Path(f).resolve()) for f in allowed):
        raise AddressError(
            f"plans may not name {file} here: it is in no folder of the list `files` of what this "
            "installation allows"
        )


def _read_host(url: str) -> HostPort:
    """Return the host and port of a URL, by the parser of the library that will ask it."""
    parsed = parse_url(url)
    host = (parsed.host or "").strip("[]").rstrip(".").lower()
    numeric = resolve(host, flags=AI_NUMERICHOST)  # 2130706433 is 127.0.0.1
    return HostPort(numeric[0] if numeric else host, parsed.port or _PORTS.get(parsed.scheme or ""))
