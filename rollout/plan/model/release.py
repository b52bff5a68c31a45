"""What a release is made of, by names and digests: no text of a prompt enters a plan or a record.

A model service changes with its prompt, its parameters and its judge as much as with its code. The
version label names such a release; this block says what it is, so that an auditor can compare it
with what was approved.
"""

from __future__ import annotations

import hashlib
import json
from typing import Annotated

from pydantic import Field, ValidationInfo, field_validator

from rollout.plan.fields.base import Model, spelled
from rollout.plan.fields.codes import fault

_DIGEST = "(sha256:[0-9a-f]{64}|sha384:[0-9a-f]{96}|sha512:[0-9a-f]{128}|blake3:[0-9a-f]{64})"
_NAME = "[A-Za-z0-9][-A-Za-z0-9_.]{0,62}"
_CURE = (
    "`sha256:` and 64 digits 0-9 and a-f (or sha384, sha512, blake3), as `sha256sum FILE` prints "
    "them"
)

# What a component is, is told by these two alone: a sentence of a prompt has blanks.
_PART = spelled(
    f"^({_NAME}|({_NAME}@)?{_DIGEST})$",
    "a short name (letters, digits, `-`, `_` and `.`, at most 63), a digest, or both as "
    f"name@digest, and never the text itself; a digest is {_CURE}",
)
_WHOLE = spelled("^sha256:[0-9a-f]{64}$", "a digest: `sha256:` and 64 digits 0-9 and a-f")

Component = Annotated[str, Field(pattern=_PART)]


class Release(Model):
    """What the canary is made of, each by a short name, a digest, or both as name@digest."""

    prompt: Component | None = Field(None, description="The prompt or its template.")
    model: Component | None = Field(None, description="The model's weights, or its name.")
    adapter: Component | None = Field(None, description="The adapter on top of the model.")
    parameters: Component | None = Field(
        None, description="The parameters of generation, such as the temperature."
    )
    judge: Component | None = Field(None, description="What scores the answers.")
    digest: Annotated[str, Field(pattern=_WHOLE)] | None = Field(
        None,
        validate_default=True,
        description="SHA-256 of the canonical JSON of the others; computed when left out.",
    )

    @property
    def components(self) -> dict[str, str]:
        """What is declared, by its key, in the order of keys."""
        declared: dict[str, str] = self.model_dump(exclude_none=True, exclude={"digest"})
        return dict(sorted(declared.items()))

    @property
    def described(self) -> dict[str, str]:
        """The one digest of everything that is declared, and each of it by its key."""
        return {"digest": digest_of(self.components)} | self.components

    @field_validator("digest")
    @classmethod
    def _check_and_leave_out(cls, value: str | None, info: ValidationInfo) -> None:
        """Check a declared digest and leave it out: a plan has one digest, however it is spelt."""
        if info.data.keys() != cls.model_fields.keys() - {"digest"}:
            return  # a mistake of another key, which is told there
        components = {key: text for key, text in info.data.items() if text is not None}
        if not components:
            keys = ", ".join(f"`{key}`" for key in info.data)
            raise fault("P016", f"a release needs at least one of {keys}")
        whole = digest_of(components)
        if value is not None and value != whole:
            message = "the digest is not that of the release's other keys"
            raise fault("P006", message, hint=f"write {whole}, or leave it out")


def digest_of(components: dict[str, str]) -> str:
    """Return the digest over the components' canonical JSON: keys sorted, no spaces."""
    text = json.dumps(components, sort_keys=True, separators=(",", ":"))
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"
