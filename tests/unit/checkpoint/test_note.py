"""Checkpoints are signed notes, and only those of the right key are believed."""

import base64
import subprocess

import pytest

from rollout.checkpoint import note
from rollout.errors import InputError, JournalError

NAME = "lab.example/surefoot"
ROOT = bytes(range(32))


@pytest.fixture(scope="module")
def keys():
    return note.make_key(NAME)


def parse_one(text):
    (signed,) = note.parse(text)
    return signed


def test_a_note_says_what_was_signed_and_its_key_believes_it(keys):
    secret, verifier = keys
    text = note.sign(7, ROOT, secret)
    signed = parse_one(text)
    assert signed.checkpoint == note.Checkpoint(NAME, 7, ROOT)
    assert text.startswith(f"{NAME}\n7\n{base64.b64encode(ROOT).decode()}\n\n\u2014 {NAME} ")
    assert note.verify(signed, verifier)


def test_openssl_verifies_the_signature_too(keys, tmp_path):
    secret, verifier = keys
    signed = parse_one(note.sign(7, ROOT, secret))
    raw = base64.b64decode(verifier.split("+", 2)[2])
    head = bytes.fromhex("302a300506032b6570032100")  # RFC 8410: an Ed25519 public key
    (tmp_path / "key").write_bytes(head + raw[1:])
    (tmp_path / "text").write_text(signed.checkpoint.text)
    ((_, signature),) = signed.signatures
    (tmp_path / "signature").write_bytes(signature[4:])
    command = "openssl pkeyutl -verify -pubin -keyform DER -inkey key -rawin -in text"
    done = subprocess.run(
        [*command.split(), "-sigfile", "signature"], cwd=tmp_path, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("\n7\n", "\n8\n"),
        lambda text: text.replace(
            base64.b64encode(ROOT).decode(), base64.b64encode(b"x" * 32).decode()
        ),
        lambda text: text.replace(NAME, "other.example/surefoot"),
        lambda text: text.replace(f"{NAME}\n7", "other.example/surefoot\n7"),
        lambda text: text[: text.index("\u2014")],
    ],
)
def test_a_changed_note_is_not_believed(keys, change):
    secret, verifier = keys
    assert not note.verify(parse_one(change(note.sign(7, ROOT, secret))), verifier)


def test_a_note_of_another_key_of_the_same_name_is_not_believed(keys):
    secret, _ = note.make_key(NAME)
    assert not note.verify(parse_one(note.sign(7, ROOT, secret)), keys[1])


def test_a_second_signature_does_no_harm(keys):
    text = (
        note.sign(7, ROOT, keys[0])
        + f"\u2014 witness.example {base64.b64encode(b'1234' * 9).decode()}\n"
    )
    assert note.verify(parse_one(text), keys[1])


def test_several_notes_follow_each_other(keys):
    text = "\n".join(note.sign(size, ROOT, keys[0]) for size in (1, 2, 3))
    assert [signed.checkpoint.size for signed in note.parse(text)] == [1, 2, 3]


@pytest.mark.parametrize(
    "text",
    ["x", "a\nb\nc\n\n", f"{NAME}\n-1\n{base64.b64encode(ROOT).decode()}\n\n", "a\n1\nAAAA\n\n"],
)
def test_what_is_no_checkpoint_is_told(text):
    with pytest.raises(JournalError):
        list(note.parse(text))


@pytest.mark.parametrize("key", ["", "a", "a+b+c", "PRIVATE+KEY+a+00000000+AQ=="])
def test_a_bad_key_is_told_and_never_shown(keys, key):
    with pytest.raises(InputError) as refusal:
        note.sign(1, ROOT, key)
    assert len(key) < 2 or key not in str(refusal.value)
    with pytest.raises(InputError):
        note.verify(parse_one(note.sign(1, ROOT, keys[0])), key)


def test_a_damaged_key_is_told(keys):
    secret, verifier = keys
    with pytest.raises(InputError, match="damaged"):
        note.sign(1, ROOT, secret.replace(secret.split("+")[3], "00000000"))
    with pytest.raises(InputError, match="damaged"):
        note.verify(
            parse_one(note.sign(1, ROOT, secret)),
            verifier.replace(verifier.split("+")[1], "00000000"),
        )


@pytest.mark.parametrize("name", ["", "a b", "a+b"])
def test_a_name_that_a_note_cannot_hold_is_refused(name):
    with pytest.raises(InputError):
        note.make_key(name)


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\tb", "a\x1b[1mb", "a\u202eb", "a\u2028b"])
def test_a_key_has_a_name_that_is_printed_as_it_is(name):
    with pytest.raises(InputError, match="no control characters"):
        note.make_key(name)


def test_a_flip_in_the_spare_bits_of_a_signature_is_seen(keys):
    text = note.sign(7, ROOT, keys[0])
    at = len(text.rstrip("\n=")) - 1
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    spare = letters[letters.index(text[at]) ^ 1]
    with pytest.raises(JournalError, match="not in base64"):
        parse_one(text[:at] + spare + text[at + 1 :])
