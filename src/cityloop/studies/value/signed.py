"""Versioned exports that are signed off: each names its files' digests, the version before it, and who signed.

The signature is an HMAC-SHA256 over the manifest with the city's own key (0600 beside the exports unless another is
given): it proves to whoever has the key that nothing was changed since, and by whom it was signed as they said.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import secrets
from collections.abc import Mapping
from pathlib import Path

import msgspec

from cityloop.kernel.errors import InputError, StoreError
from cityloop.studies.sheet import write_page

__all__ = ["KEY_FILE", "Manifest", "export_version", "verify_exports"]

KEY_FILE = "signing.key"
_MANIFEST = "manifest.json"


class Manifest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One version of an export."""

    version: int
    city: str
    made_at: str
    signed_by: str
    why: str
    before: str
    """Digest of the version before; empty for the first."""
    files: dict[str, str]
    """SHA-256 by name."""
    signature: str = ""


def export_version(
    folder: Path, files: Mapping[str, str], *, city: str, made_at: str, signed_by: str, why: str, key: Path | None
) -> Manifest:
    """Write the next version into ``folder/v<number>``, signed; earlier versions are never touched."""
    if not signed_by.strip() or not why.strip():
        raise InputError("signed exports need --by NAME and --why TEXT: who signs off, and what for")
    folder.mkdir(parents=True, exist_ok=True)
    versions = _versions(folder)
    before = "" if not versions else _digest((folder / f"v{versions[-1]}" / _MANIFEST).read_bytes())
    version = versions[-1] + 1 if versions else 1
    place, part = folder / f"v{version}", folder / f".v{version}.part"
    part.mkdir()
    for name, text in files.items():
        write_page(part / name, text)
    unsigned = Manifest(
        version=version, city=city, made_at=made_at, signed_by=signed_by, why=why, before=before,
        files={name: _digest(text.encode()) for name, text in sorted(files.items())},
    )  # fmt: skip
    made = msgspec.structs.replace(unsigned, signature=_sign(unsigned, _key(key or folder / KEY_FILE, make=True)))
    write_page(part / _MANIFEST, msgspec.json.format(msgspec.json.encode(made), indent=1).decode() + "\n")
    part.rename(place)
    return made


def verify_exports(folder: Path, key: Path | None) -> list[Manifest]:
    """Check every version: files, chain and signatures; return them, or say what is wrong with the first that is."""
    secret = _key(key or folder / KEY_FILE, make=False)
    found: list[Manifest] = []
    before = ""
    for number in _versions(folder):
        path = folder / f"v{number}" / _MANIFEST
        try:
            data = path.read_bytes()
            manifest = msgspec.json.decode(data, type=Manifest)
        except (OSError, msgspec.MsgspecError) as error:
            raise StoreError(f"{path}: cannot be read ({error})") from error
        unsigned = msgspec.structs.replace(manifest, signature="")
        if not hmac.compare_digest(_sign(unsigned, secret), manifest.signature):
            raise StoreError(f"{path}: the signature does not fit; it was changed, or signed with another key")
        if manifest.before != before or manifest.version != number:
            raise StoreError(f"{path}: does not follow the version before it; one was changed or taken out")
        for name, digest in manifest.files.items():
            file = path.parent / name
            if not file.is_file() or _digest(file.read_bytes()) != digest:
                raise StoreError(f"{file}: changed or gone since version {number} was signed")
        found.append(manifest)
        before = _digest(data)
    if not found:
        raise StoreError(f"{folder}: holds no signed version")
    return found


def _versions(folder: Path) -> list[int]:
    names = (re.fullmatch(r"v(\d+)", path.name) for path in folder.iterdir()) if folder.is_dir() else ()
    return sorted(int(name[1]) for name in names if name)


def _sign(manifest: Manifest, secret: bytes) -> str:
    return hmac.new(secret, msgspec.json.encode(manifest, order="deterministic"), hashlib.sha256).hexdigest()


def _key(path: Path, *, make: bool) -> bytes:
    if path.is_file():
        secret = path.read_bytes().strip()
        if len(secret) < 32:
            raise InputError(f"{path}: a key of fewer than 32 bytes; give a longer one")
        return secret
    if not make:
        raise InputError(f"{path}: no such key; give the one that signed with --key")
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    secret = secrets.token_hex(32).encode()
    with os.fdopen(handle, "wb") as stream:
        stream.write(secret + b"\n")
    return secret


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
