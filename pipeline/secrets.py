"""Seals what must not lie in Redis in the clear, and derives keys for internal use. Knows not what is sealed.

The service's one secret is GLEANER_SECRET_KEY, or the file `secret.key` in the data folder, made by whichever process
comes first. All processes of a service must have the same.
"""

from __future__ import annotations

import base64
import contextlib
import hmac
import os
import secrets
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from pydantic import SecretStr

FILE = "secret.key"
LEAST_LENGTH = 32  # characters of the secret; a made one has 43, which are 256 bits
_SEALING, _DERIVING = b"gleaner: sealing", b"gleaner: deriving"


class SecretKeyError(Exception):
    """The service's secret cannot be had, or is not the one that something was sealed with. For people; no secrets."""


class Vault:
    """Seals and opens texts, and derives keys. Thread-safe; its repr shows nothing."""

    __slots__ = ("_deriving", "_fernet")

    def __init__(self, secret: str) -> None:
        """Raises SecretKeyError where the secret is too short to be one."""
        check_secret(secret)
        self._fernet = Fernet(base64.urlsafe_b64encode(_key(secret, _SEALING)))
        self._deriving = _key(secret, _DERIVING)

    def seal(self, text: str) -> str:
        """The text encrypted and signed (Fernet): ASCII, another one each time."""
        return self._fernet.encrypt(text.encode()).decode()

    def open(self, token: str) -> str:
        """What was sealed. Raises SecretKeyError where it was sealed with another secret, or altered."""
        try:
            return self._fernet.decrypt(token).decode()
        except InvalidToken:
            raise SecretKeyError(
                f"credentials were sealed with another secret: bring back {FILE} of the data folder, or the "
                "GLEANER_SECRET_KEY, that was in use then, or give the stream its URL again"
            ) from None

    def derive(self, purpose: str) -> str:
        """A key for one purpose: 43 characters of A-Z, a-z, 0-9, '-' and '_', the same each time (HMAC-SHA-256)."""
        digest = hmac.digest(self._deriving, purpose.encode(), "sha256")
        return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def check_secret(secret: str) -> None:
    """Raises SecretKeyError where it is too short."""
    if len(secret) < LEAST_LENGTH:
        message = f"the secret has {len(secret)} characters and needs {LEAST_LENGTH}: make one with "
        raise SecretKeyError(message + "`openssl rand -base64 32` and set GLEANER_SECRET_KEY, or leave it unset")


def open_vault(secret_key: SecretStr | None, data_dir: Path) -> Vault:
    """The vault of the service; makes its secret where there is none. Raises SecretKeyError."""
    if secret_key is not None and secret_key.get_secret_value():
        return Vault(secret_key.get_secret_value().strip())
    return Vault(_from_file(data_dir / FILE))


def _from_file(path: Path) -> str:
    try:
        return _read(path)
    except FileNotFoundError:
        try:
            _make(path)
            return _read(path)
        except OSError as error:
            raise _unusable(error) from None
    except OSError as error:
        raise _unusable(error) from None


def _read(path: Path) -> str:
    with path.open("rb") as file:
        if os.fstat(file.fileno()).st_mode & 0o077:
            raise SecretKeyError(f"{FILE} in the data folder can be read by others: chmod 600 it")
        text = file.read(1024)
    try:
        secret = text.decode("ascii").strip()
    except UnicodeDecodeError:
        secret = ""
    if len(secret) < LEAST_LENGTH:
        raise SecretKeyError(
            f"{FILE} in the data folder is no key: bring back the right one; without it what was sealed is lost, "
            "and after removing the file each stream must be given its URL again"
        )
    return secret


def _make(path: Path) -> None:
    """Makes the file, whole and private, unless another process is first."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f".{FILE}-{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(secrets.token_urlsafe(32).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):
            os.link(draft, path)  # unlike a rename, it leaves alone a file that is there
    finally:
        draft.unlink()
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _unusable(error: OSError) -> SecretKeyError:
    return SecretKeyError(
        f"{FILE} in the data folder cannot be read or made ({error.strerror or type(error).__name__}); "
        "make the folder writable for the service, or set GLEANER_SECRET_KEY"
    )


def _key(secret: str, purpose: bytes) -> bytes:
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=purpose).derive(secret.encode())
