"""Checkpoints as signed notes, and the keys that sign and verify them (Ed25519).

Formats: C2SP tlog-checkpoint and signed-note, version 1; keys as golang.org/x/mod/sumdb/note writes
them.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass

from rollout.checkpoint.base64_text import decode, encode
from rollout.errors import InputError, JournalError

_ED25519 = b"\x01"
_PRIVATE = "PRIVATE+KEY+"
_DASH = "\N{EM DASH} "
_NAME = re.compile(r"[^\s+]+")
_INSTALL = "signatures need the extra `sign`: pip install 'surefoot[sign]'"


@dataclass(frozen=True)
class Checkpoint:
    """What is signed: whose journal it is, how many entries it had, and the root over them."""

    origin: str
    size: int
    root: bytes

    @property
    def text(self) -> str:
        """The text that a signature covers, as C2SP tlog-checkpoint has it."""
        return f"{self.origin}\n{self.size}\n{encode(self.root)}\n"


@dataclass(frozen=True)
class SignedCheckpoint:
    """A checkpoint and its signatures: name of the key, and the key's hash with the signature."""

    checkpoint: Checkpoint
    signatures: tuple[tuple[str, bytes], ...]

    @property
    def note(self) -> str:
        """The signed note, word for word as it was read."""
        lines = (f"{_DASH}{name} {encode(signature)}\n" for name, signature in self.signatures)
        return f"{self.checkpoint.text}\n{''.join(lines)}"


def make_key(name: str) -> tuple[str, str]:
    """Make a key pair: what signs, to be kept secret, and what verifies. Raises InputError."""
    # What is printed loses control characters, and a name without them has another hash.
    if not (_NAME.fullmatch(name) and name.isprintable()):
        raise InputError(
            "a key's name has no spaces, no control characters and no `+`: "
            "hospital.example/surefoot"
        )
    try:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    except ImportError:
        raise InputError(_INSTALL) from None
    private = Ed25519PrivateKey.generate()
    public = private.public_key().public_bytes_raw()
    head = f"{name}+{_hash_key(name, public).hex()}"
    secret = f"{_PRIVATE}{head}+{encode(_ED25519 + private.private_bytes_raw())}"
    return secret, f"{head}+{encode(_ED25519 + public)}"


def sign(size: int, root: bytes, secret: str) -> str:
    """Return the signed note of a journal's size and root; its origin is the key's name.

    Raises InputError for a key that is none.
    """
    try:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    except ImportError:
        raise InputError(_INSTALL) from None
    name, key_hash, seed = _parse_key(secret.strip().removeprefix(_PRIVATE), "signing")
    if not secret.strip().startswith(_PRIVATE):
        raise InputError(f"a signing key begins with {_PRIVATE}")
    private = Ed25519PrivateKey.from_private_bytes(seed)
    if _hash_key(name, private.public_key().public_bytes_raw()) != key_hash:
        raise InputError("the signing key is damaged: it does not have the hash that it names")
    text = Checkpoint(name, size, root).text
    signature = encode(key_hash + private.sign(text.encode()))
    return f"{text}\n{_DASH}{name} {signature}\n"


def verify(signed: SignedCheckpoint, verifier: str) -> bool:
    """Return whether the key of a verifier signed a checkpoint of its own name.

    Raises InputError for a verifier that is none.
    """
    try:
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    except ImportError:
        raise InputError(_INSTALL) from None
    name, key_hash, public = _parse_key(verifier.strip(), "verifying")
    if _hash_key(name, public) != key_hash:
        raise InputError("the verifying key is damaged: it does not have the hash that it names")
    key, text = Ed25519PublicKey.from_public_bytes(public), signed.checkpoint.text.encode()
    for signer, signature in signed.signatures:
        if signer != name or signature[:4] != key_hash:
            continue
        try:
            key.verify(signature[4:], text)
        except InvalidSignature:
            return False
        return signed.checkpoint.origin == name
    return False


def parse(text: str) -> Iterator[SignedCheckpoint]:
    """Yield the checkpoints of a file that holds one after another. Raises JournalError."""
    lines = iter(text.splitlines())
    line = next(lines, None)
    while line is not None:
        if not line:  # between two notes
            line = next(lines, None)
            continue
        head = [line, next(lines, ""), next(lines, "")]
        if next(lines, None) != "":
            raise JournalError("a checkpoint has three lines, an empty one, and its signatures")
        signatures = []
        while (line := next(lines, None)) is not None and line.startswith(_DASH):
            signatures.append(_parse_signature(line))
        yield SignedCheckpoint(_parse_head(*head), tuple(signatures))


def _parse_head(origin: str, size: str, root: str) -> Checkpoint:
    try:
        digest = decode(root)
    except ValueError:
        digest = b""
    if not re.fullmatch(r"0|[1-9]\d{0,17}", size) or len(digest) != hashlib.sha256().digest_size:
        raise JournalError("a checkpoint names its origin, a number of entries, and a hash")
    return Checkpoint(origin, int(size), digest)


def _parse_signature(line: str) -> tuple[str, bytes]:
    name, _, signature = line.removeprefix(_DASH).rpartition(" ")
    try:
        return name, decode(signature)
    except ValueError:
        raise JournalError("a checkpoint's signature is not in base64") from None


def _parse_key(key: str, kind: str) -> tuple[str, bytes, bytes]:
    """Return a key's name, hash and 32 bytes. Raises InputError, which does not show the key."""
    parts = key.split("+", 2)
    try:
        name, key_hash, content = parts[0], bytes.fromhex(parts[1]), parts[2]
        raw = decode(content)
    except (IndexError, ValueError):
        raise InputError(f"the {kind} key is not of the form NAME+HASH+KEY") from None
    if raw[:1] != _ED25519 or len(raw) != 33:
        raise InputError(f"the {kind} key is not an Ed25519 key")
    return name, key_hash, raw[1:]


def _hash_key(name: str, public: bytes) -> bytes:
    return hashlib.sha256(f"{name}\n".encode() + _ED25519 + public).digest()[:4]
