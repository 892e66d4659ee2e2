"""Who may do what: device tokens, subjects of client certificates, and the principals they make."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from cityloop.kernel.errors import InputError
from cityloop.wire.named import folded

__all__ = ["Access", "DeviceTokens", "Principal", "TokenRow", "TokenRows", "credentials_of", "subject_of"]

_TOKEN = re.compile(r"cld_([0-9a-f]{16})_([A-Za-z0-9_-]{43})\Z")
_DEVICE = re.compile(r"[^\x00-\x1f\x7f]{1,200}\Z")
_SHORT = {
    "commonName": "CN",
    "localityName": "L",
    "stateOrProvinceName": "ST",
    "organizationName": "O",
    "organizationalUnitName": "OU",
    "countryName": "C",
    "streetAddress": "STREET",
    "domainComponent": "DC",
    "userId": "UID",
}
"""Attributes that have a short name in RFC 4514, by the names that OpenSSL gives them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """Who asks."""

    name: str
    device: str = ""
    """The device; empty for a person or the administrator's token."""

    may_read: bool = True
    may_write: bool = False
    """Whether entities may be changed. A device may write observations of its own streams and nothing else."""

    def owns(self, stream_device: str) -> bool:
        """Tell whether a stream's readings may be written."""
        return stream_device == self.device if self.device else self.may_write


class TokenRow(Protocol):
    """A device's token as it is kept: enough to know it again, not enough to use it."""

    @property
    def token_id(self) -> str:
        """Its public part."""

    @property
    def device(self) -> str:
        """Whose it is."""

    @property
    def digest(self) -> bytes:
        """SHA-256 of the token. A random token of 256 bits needs no slow hash."""

    @property
    def made_ms(self) -> int:
        """When it was issued."""


class TokenRows(Protocol):
    """Where tokens are kept, durably."""

    def add(self, token_id: str, device: str, digest: bytes, made_ms: int) -> None:
        """Keep a token."""

    def find(self, token_id: str) -> TokenRow | None:
        """Return a token by its public part."""

    def remove(self, device: str) -> int:
        """Forget all tokens of a device; return how many there were."""

    def tokens(self) -> Sequence[TokenRow]:
        """Return all tokens."""

    def set_subject(self, subject: str, device: str) -> None:
        """Let a client certificate's subject stand for a device; an empty device takes it back."""

    def device_of_subject(self, subject: str) -> str | None:
        """Return the device that a subject stands for."""

    def subjects(self) -> Mapping[str, str]:
        """Return the device of every subject."""


class DeviceTokens:
    """Makes and checks tokens of devices."""

    def __init__(self, rows: TokenRows, now_ms: Callable[[], int]) -> None:
        self._rows = rows
        self._now_ms = now_ms
        self._known: dict[str, str] = {}
        self._look()

    def issue(self, device: str) -> str:
        """Return a new token of a device. It is shown this once and kept as a digest."""
        self._check_device(device)
        token_id = secrets.token_hex(8)
        token = f"cld_{token_id}_{secrets.token_urlsafe(32)}"
        digest = hashlib.sha256(token.encode()).digest()
        self._rows.add(token_id, device, digest, self._now_ms())
        return token

    def device_of(self, token: str) -> str | None:
        """Return the device that a token belongs to; None when it is nobody's."""
        match = _TOKEN.match(token)
        row = self._rows.find(match[1]) if match else None
        digest = hashlib.sha256(token.encode()).digest()
        # Compared in the same time whether or not there is such a token.
        if hmac.compare_digest(digest, row.digest if row is not None else bytes(32)) and row is not None:
            return row.device
        return None

    def revoke(self, device: str) -> int:
        """Make all tokens of a device worthless."""
        gone = self._rows.remove(device)
        self._look()
        return gone

    def listed(self) -> Sequence[TokenRow]:
        """Return what is known of all tokens."""
        return self._rows.tokens()

    def trust_subject(self, subject: str, device: str) -> None:
        """Let the subject of a verified client certificate stand for a device; an empty device takes it back."""
        _check_name("subject", subject)
        if device:
            self._check_device(device)
        self._rows.set_subject(subject, device)
        self._look()

    def _check_device(self, device: str) -> None:
        """Refuse a device that nobody can tell from a known one."""
        _check_name("device", device)
        known = self._known.setdefault(folded(device), device)
        if known != device:
            raise InputError(
                f"device {device!r} differs from the known {known!r} only by case or Unicode form; use that one"
            )

    def _look(self) -> None:
        """Take over the names of all devices that are known."""
        names = [*(row.device for row in self._rows.tokens()), *self._rows.subjects().values()]
        self._known = {folded(name): name for name in names}

    def device_of_subject(self, subject: str) -> str | None:
        """Return the device that a verified client certificate stands for."""
        return self._rows.device_of_subject(subject)

    def subjects(self) -> Mapping[str, str]:
        """Return the device of every subject that stands for one."""
        return self._rows.subjects()


class Access:
    """Turns credentials into a principal."""

    def __init__(self, devices: DeviceTokens, admin_token: str = "") -> None:
        self._devices = devices
        self._admin = hashlib.sha256(admin_token.encode()).digest() if admin_token else b""

    def principal(self, authorization: str | None, tls_subject: str | None = None) -> Principal | None:
        """Return who an ``Authorization`` header, or else a verified client certificate, stands for; None if nobody."""
        token = credentials_of(authorization)
        if token is not None:
            return self.of_token(token)
        return self.of_subject(tls_subject)

    def of_subject(self, subject: str | None) -> Principal | None:
        """Return the device that a verified client certificate's subject stands for."""
        device = self._devices.device_of_subject(subject) if subject else None
        return None if device is None else Principal(name=device, device=device)

    def of_token(self, token: str) -> Principal | None:
        """Return who a token stands for."""
        digest = hashlib.sha256(token.encode()).digest()
        if self._admin and hmac.compare_digest(digest, self._admin):
            return Principal(name="administrator", may_write=True)
        device = self._devices.device_of(token)
        return None if device is None else Principal(name=device, device=device)


def credentials_of(authorization: str | None) -> str | None:
    """Return the token of ``Bearer TOKEN``, or of Basic credentials as password; None when there is none."""
    if not authorization or len(authorization) > 8192:
        return None
    scheme, _, rest = authorization.partition(" ")
    if scheme.lower() == "bearer":
        return rest.strip() or None
    if scheme.lower() == "basic":
        try:
            decoded = base64.b64decode(rest.strip(), validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            return None
        return decoded.partition(":")[2] or None
    return None


def subject_of(certificate: Mapping[str, Any] | None) -> str | None:
    """Return the subject of a verified certificate as RFC 4514 writes it [1]_, None where there is none.

    ``openssl x509 -noout -subject -nameopt RFC2253`` prints the same.

    Parameters
    ----------
    certificate
        As ``ssl.SSLSocket.getpeercert`` gives it: parts of a subject from the country down to the name.

    References
    ----------
    .. [1] RFC 4514, String Representation of Distinguished Names, section 2.
    """
    parts = [
        "+".join(f"{_SHORT.get(kind, kind)}={_escaped(value)}" for kind, value in part)
        for part in reversed((certificate or {}).get("subject", ()))
    ]
    return ",".join(parts) or None


def _escaped(value: str) -> str:
    text = re.sub(r'([,+"\\<>;])', r"\\\1", value)
    if text.startswith((" ", "#")):
        text = f"\\{text}"
    return f"{text[:-1]}\\ " if len(value) > 1 and value.endswith(" ") else text


def _check_name(what: str, name: str) -> None:
    if not _DEVICE.match(name):
        raise InputError(f"{what} {name[:40]!r}: give a name of 1 to 200 printable characters")
