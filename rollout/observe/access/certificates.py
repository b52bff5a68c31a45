"""Certificates that a server is checked with, and our own: whether their files can be used.

They are read here before a connection is opened. OpenSSL reads them only within it, where a broken
file looks like a server that breaks off, and a key with a passphrase waits at a terminal for it.
"""

from __future__ import annotations

import os
import re
import ssl
from pathlib import Path
from stat import S_ISDIR, S_ISREG

from rollout.errors import ObserveError
from rollout.observe.access.credentials import AskedServer

# As Python, OpenSSL, curl and Go have them; the first that is set.
BUNDLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR")
_HASHED = re.compile(r"[0-9a-f]{8}\.\d+")  # how OpenSSL looks for a certificate in a folder
_PEM = "mount a file in PEM form, or mend the path in the access file"


def find_bundle() -> tuple[str, str] | None:
    """Return the variable and the path of the trusted certificates that the environment names."""
    named = ((name, os.environ.get(name)) for name in BUNDLES)
    return next(((name, path) for name, path in named if path), None)


def check_certificates(target: AskedServer) -> None:
    """Raise ObserveError where the files of an access, or of the environment, cannot be used."""
    if not target.base.lower().startswith("https:"):
        return
    if target.path_of_ca is not None:
        if problem := _find_problem(target.path_of_ca):
            raise target.fail(f"{target.path_of_ca}: {problem}", _PEM)
    elif bundle := find_bundle():
        name, path = bundle
        if problem := _find_problem(path):
            message = f"the certificates of {name} cannot be used: {path}: {problem}"
            raise ObserveError(message, f"mend {name}, or name the CA as `ca` of an access")
    if target.paths_of_certificate is not None:
        _check_pair(target, *target.paths_of_certificate)


def _find_problem(path: str) -> str:
    """Return why trusted certificates cannot be read at a path; empty if they can."""
    try:
        mode = Path(path).stat().st_mode
        if S_ISDIR(mode):
            is_hashed = any(_HASHED.fullmatch(entry.name) for entry in Path(path).iterdir())
            return "" if is_hashed else "a folder without certificates by their hash"
        if not S_ISREG(mode):
            return "no regular file"
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(path)
    except ssl.SSLError:
        return "no certificate in PEM form"
    except OSError as error:
        return error.strerror or type(error).__name__
    return ""


def _check_pair(target: AskedServer, certificate: str, key: str) -> None:
    """Raise ObserveError where a client certificate cannot be used."""
    asked: list[bool] = []

    def refuse_passphrase() -> str:
        asked.append(True)
        return ""

    if problem := _find_problem(certificate):
        raise target.fail(f"{certificate}: {problem}", _PEM)
    try:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_cert_chain(certificate, key, password=refuse_passphrase)
    except ssl.SSLError as error:
        if asked:
            cure = "write the key without one, readable by the controller alone"
            raise target.fail(f"{key}: a key with a passphrase", cure) from None
        if error.reason == "KEY_VALUES_MISMATCH":
            cure = "name the key that the certificate was made with"
            raise target.fail(f"{key}: the key of another certificate", cure) from None
        raise target.fail(f"{key}: no key in PEM form", _PEM) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or type(error).__name__
        raise target.fail(f"{key}: {reason}", _PEM) from None
