"""What a compiler is asked and what it gives, for every target alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from rollout.mesh_document.model.document import ServiceMesh
from rollout.mesh_document.model.host import HOME, split_whole
from rollout.mesh_document.model.names import Fault
from rollout.mesh_document.notes import Remark
from rollout.route.envoy.bootstrap import SocketAddress

LISTEN, ADMIN = SocketAddress("127.0.0.1", 10_000), SocketAddress("127.0.0.1", 9901)


class Home(NamedTuple):
    """The mesh that objects belong to, and their namespace."""

    mesh: str
    namespace: str

    def locate(self, host: str) -> tuple[str, Home]:
        """Return how a host is called in its own namespace, and that namespace."""
        match split_whole(host):
            case [service, namespace]:
                return service, self._replace(namespace=namespace)
        return host, self


@dataclass(frozen=True)
class Options:
    """What the command line adds to a document.

    `listen` is where the first service of a local Envoy answers, the others at the ports after it;
    `port` that of every Service, where a target must name one.
    """

    namespace: str = ""
    principals: tuple[str, ...] = ()
    endpoints: Mapping[str, Sequence[SocketAddress]] = field(default_factory=dict)
    listen: SocketAddress = LISTEN
    admin: SocketAddress = ADMIN
    port: int = 80

    def home_of(self, mesh: ServiceMesh) -> Home:
        """Where the objects of a mesh are: the option's namespace, the document's, or `default`."""
        namespace = self.namespace or mesh.metadata.namespace or HOME
        return Home(mesh.metadata.name, namespace)

    def listen_for(self, mesh: ServiceMesh) -> list[SocketAddress]:
        """Where a local Envoy is asked for each service, in the document's order."""
        count = len(mesh.spec.services)
        return [self.listen._replace(port=self.listen.port + number) for number in range(count)]


@dataclass(frozen=True)
class Compiled:
    """Files by name, in the order in which they are used, and the commands that start them.

    `addresses` are where the services of a local Envoy answer. With `refusals` there are no files:
    the target cannot do what the document asks.
    """

    files: Mapping[str, str] = field(default_factory=dict)
    remarks: Sequence[Remark] = ()
    commands: Sequence[str] = ()
    addresses: Mapping[str, str] = field(default_factory=dict)
    refusals: Sequence[Fault] = ()
