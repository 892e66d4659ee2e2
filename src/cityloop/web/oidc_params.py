"""How a room signs people in through an issuer: one file, read at the start, every wrong key named."""

from __future__ import annotations

import os
import urllib.parse
from pathlib import Path
from typing import Any

import msgspec

from cityloop.kernel.errors import ConfigError, InputError
from cityloop.web.policy import ROLES

__all__ = ["LOCAL", "OidcParams", "checked_url", "read_oidc"]

LOCAL = ("127.0.0.1", "::1", "localhost")


class OidcParams(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One issuer, and what its claims mean here."""

    issuer: str
    """Word for word as it stands in its tokens."""
    client_id: str
    public_url: str
    """Address that browsers reach this room by."""
    roles: dict[str, str]
    """What the issuer calls a group or role, to the role here."""
    name: str = ""
    """On the button; the issuer's host where empty."""
    role_claim: str = "roles"
    """A claim's name, or a dotted path such as ``realm_access.roles``."""
    name_claim: str = "preferred_username"
    districts_claim: str = ""
    """Empty: every district."""
    scopes: tuple[str, ...] = ("openid", "profile")
    client_secret_env: str = ""
    """Variable that holds the client's secret; empty for a public client, which PKCE alone protects."""
    client_secret: str = ""
    """Filled from the environment; never written in the file."""

    def __post_init__(self) -> None:
        checked_url(self.issuer, "issuer")
        checked_url(self.public_url, "public_url")
        if not self.client_id:
            raise InputError("client_id: is empty; give what the issuer calls this room")
        if "openid" not in self.scopes:
            raise InputError("scopes: openid is missing; without it the issuer sends no token to sign in with")
        if not self.roles:
            raise InputError("roles: is empty, so nobody could come in; give a table of the issuer's words to roles")
        for told, role in self.roles.items():
            if role not in ROLES:
                raise InputError(f"roles.{told}: {role!r} is no role; give one of {', '.join(ROLES)}")

    @property
    def label(self) -> str:
        """What people know the issuer by."""
        return self.name or urllib.parse.urlsplit(self.issuer).netloc


def checked_url(url: str, what: str) -> str:
    """Return an address that may be trusted with sign-ins: https, or http on this machine alone."""
    parts = urllib.parse.urlsplit(url)
    local = parts.scheme == "http" and parts.hostname in LOCAL
    if not (parts.scheme == "https" or local) or not parts.hostname or parts.username or parts.fragment:
        raise InputError(f"{what}: {url[:80]!r} is no https address (http is taken on this machine alone)")
    return url


def read_oidc(path: Path) -> OidcParams:
    """Read the file of an issuer."""
    try:
        params = msgspec.toml.decode(path.read_bytes(), type=OidcParams)
    except FileNotFoundError:
        raise ConfigError(f"--oidc {path}: there is no such file") from None
    except (msgspec.MsgspecError, OSError, InputError, ValueError) as error:
        raise ConfigError(f"--oidc {path}: {' '.join(str(error).split())}") from error
    if params.client_secret:
        raise ConfigError(
            f"--oidc {path}: client_secret must not stand in a file; name a variable in client_secret_env"
        )
    if not params.client_secret_env:
        return params
    secret = os.environ.get(params.client_secret_env, "")
    if not secret:
        raise ConfigError(f"--oidc {path}: client_secret_env: the variable {params.client_secret_env} is not set")
    changed: dict[str, Any] = {"client_secret": secret}
    return msgspec.structs.replace(params, **changed)
