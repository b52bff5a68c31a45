"""An access file as pydantic models: credentials, and the only servers that they are sent to.

A secret stands in the file, or in a file of its own that is read at each request, so that a
rotated one is used at once. Relative paths begin at the access file's folder.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, SecretStr, ValidationInfo, model_validator
from pydantic import field_validator as checks

from rollout.observe.access.address import parse_address
from rollout.plan.fields.base import Model, Name, Span, Text, spelled
from rollout.plan.fields.codes import fault, raise_at
from rollout.redact import has_secret

LONGEST = 60.0  # seconds: all rollouts of a controller wait for an answer

_HEADER = spelled(r"^[A-Za-z0-9!#$%&'*+.^_|~-]+$", "the name of a header, such as X-Scope-OrgID")
# These are the client's own, or would say who asks a second time.
_RESERVED = {"host", "content-length", "content-type", "transfer-encoding", "connection"}
_RESERVED |= {"accept-encoding", "expect", "te", "upgrade"}
_PARAMETERS = {"query", "time", "start", "end", "step"}


def _check_server(text: str) -> str:
    if parse_address(text) is None or "?" in text:
        raise fault(
            "P006",
            "a server is https://HOST[:PORT][/PATH], its host in ASCII and without a user",
            hint="write an internationalised name in its `xn--` form",
        )
    return text


def _check_timeout(timeout: float) -> float:
    if timeout > LONGEST:
        raise fault("P006", f"all rollouts wait for an answer: at most {LONGEST:.0f}s")
    return timeout


def _check_user(name: str) -> str:
    if ":" in name:
        raise fault("P006", "a user of HTTP has no `:` in the name: what follows is the password")
    return name


def _require_one(model: Any, key: str, key_of_file: str) -> None:
    given = [getattr(model, name) is not None for name in (key, f"{key}_file")]
    if sum(given) != 1:
        raise fault("P016", f"give either `{key}` or `{key_of_file}`")


Secret = Annotated[SecretStr, Field(min_length=1)]


class Bearer(Model):
    """A token, sent as `Authorization: Bearer`."""

    token: Secret | None = None
    token_file: Text | None = None

    @model_validator(mode="after")
    def _check_given(self) -> Self:
        _require_one(self, "token", "tokenFile")
        return self


class Basic(Model):
    """A user and a password."""

    username: Annotated[Text, AfterValidator(_check_user)]
    password: Secret | None = None
    password_file: Text | None = None

    @model_validator(mode="after")
    def _check_given(self) -> Self:
        _require_one(self, "password", "passwordFile")
        return self


class Header(Model):
    """A header, such as the tenant's."""

    name: Annotated[str, Field(pattern=_HEADER)]
    value: Secret | None = None
    value_file: Text | None = None

    @model_validator(mode="after")
    def _check_given(self) -> Self:
        _require_one(self, "value", "valueFile")
        return self

    @checks("name")
    @classmethod
    def _check_free(cls, name: str) -> str:
        if name.lower() in _RESERVED:
            raise fault("P006", "this header is the client's own")
        return name


class Certificate(Model):
    """A client certificate: files in PEM form."""

    cert: Text
    key: Text


class Parameter(Model):
    """A parameter of every request, such as a namespace; a plan's URL cannot change it."""

    name: Text
    value: Text

    @checks("name")
    @classmethod
    def _check_free(cls, name: str) -> str:
        if name in _PARAMETERS:
            raise fault("P006", "this parameter is the question itself")
        if has_secret(f"http://host/?{name}=x"):
            raise fault("P006", "servers log addresses: send a secret in `headers`")
        return name


class Access(Model):
    """How some servers are asked."""

    name: Name
    servers: Annotated[list[Annotated[str, AfterValidator(_check_server)]], Field(min_length=1)]
    bearer: Bearer | None = None
    basic: Basic | None = None
    headers: Annotated[list[Header], Field(default_factory=list)]
    ca: Text | None = None
    certificate: Certificate | None = None
    query: Annotated[list[Parameter], Field(default_factory=list)]
    timeout: Annotated[Span, AfterValidator(_check_timeout)] | None = None

    @property
    def holds_secret(self) -> bool:
        """Whether a secret stands in the access file itself."""
        secrets = [header.value for header in self.headers]
        secrets += [self.bearer.token] if self.bearer else []
        secrets += [self.basic.password] if self.basic else []
        return any(secret is not None for secret in secrets)

    @checks("basic")
    @classmethod
    def _check_one_authorization(cls, basic: Basic | None, info: ValidationInfo) -> Basic | None:
        if basic is not None and info.data.get("bearer") is not None:
            raise fault("P016", "give either `bearer` or `basic`")
        return basic

    @checks("headers")
    @classmethod
    def _check_headers(cls, headers: list[Header], info: ValidationInfo) -> list[Header]:
        names = [header.name.lower() for header in headers]
        if "authorization" in names and (info.data.get("bearer") or info.data.get("basic")):
            error = fault("P016", "give either this header or `bearer` or `basic`")
            raise_at("headers", ((names.index("authorization"), "name"), error))
        _refuse_twins("headers", names)
        return headers

    @checks("query")
    @classmethod
    def _check_parameters(cls, query: list[Parameter]) -> list[Parameter]:
        _refuse_twins("query", [parameter.name for parameter in query])
        return query


def _refuse_twins(title: str, names: list[str]) -> None:
    twins = [index for index, name in enumerate(names) if name in names[:index]]
    if twins:
        error = fault("P010", "this name is given twice")
        raise_at(title, *[((index, "name"), error) for index in twins])


class AccessFile(Model):
    """All accesses of an installation."""

    api_version: Literal["surefoot.dev/v1alpha1"]
    kind: Literal["PrometheusAccess"]
    accesses: Annotated[list[Access], Field(min_length=1)]

    @checks("accesses")
    @classmethod
    def _check_named_once(cls, accesses: list[Access]) -> list[Access]:
        _refuse_twins("accesses", [access.name for access in accesses])
        return accesses
