"""Who asks, and whether they may: tokens, sessions, CSRF, rates, districts."""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from starlette.requests import HTTPConnection

from cityloop.web.answers import ApiError
from cityloop.web.policy import POLICY, PUBLIC, Rule

if TYPE_CHECKING:
    from cityloop.web.ports import AccountsPort

__all__ = ["COOKIE", "Gatekeeper", "Principal", "Rates"]

COOKIE = "cityloop_session"
_SAFE = ("GET", "HEAD", "OPTIONS", "WS")


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """Who asks."""

    name: str
    roles: tuple[str, ...]
    districts: tuple[str, ...]
    csrf: str = ""
    expires_at_ms: int | None = None
    by_cookie: bool = False

    def may(self, rule: Rule) -> bool:
        """Whether some role of theirs is named."""
        return PUBLIC in rule.roles or not rule.roles.isdisjoint(self.roles)

    def acts(self) -> list[str]:
        """Names of every route they may use."""
        return [rule.name for rule in POLICY if self.may(rule)]

    def require_district(self, district: str) -> None:
        """Refuse an act outside their districts."""
        if "*" not in self.districts and district not in self.districts:
            own = ", ".join(self.districts) or "none"
            raise ApiError(403, "district", f"district {district!r} is not yours ({own})")


@dataclass(slots=True)
class Rates:
    """Token buckets by key, bounded in number."""

    per_s: float
    burst: float
    _buckets: OrderedDict[str, tuple[float, float]] = field(default_factory=OrderedDict)

    def take(self, key: str, now_s: float | None = None) -> int:
        """Take one; return 0, or in how many seconds there is one again."""
        now_s = time.monotonic() if now_s is None else now_s
        level, at_s = self._buckets.pop(key, (self.burst, now_s))
        level = min(self.burst, level + (now_s - at_s) * self.per_s)
        wait_s = 0 if level >= 1 else max(1, round((1 - level) / self.per_s))
        self._buckets[key] = (level - 1 if level >= 1 else level, now_s)
        while len(self._buckets) > 10_000:
            self._buckets.popitem(last=False)
        return wait_s


class Gatekeeper:
    """Tells who asks; owns the rates."""

    def __init__(self, token: str, token_roles: tuple[str, ...], accounts: AccountsPort) -> None:
        self._token = hashlib.sha256(token.encode()).digest()
        self._token_roles = token_roles
        self._accounts = accounts
        self.sign_ins = Rates(per_s=1 / 12, burst=8)
        self.acts = Rates(per_s=2.0, burst=30)
        self.reads = Rates(per_s=60.0, burst=400)

    def is_token(self, given: str) -> bool:
        """Whether this is the administrator's token; takes the same time whatever is given."""
        return hmac.compare_digest(hashlib.sha256(given.encode()).digest(), self._token)

    def principal(self, connection: HTTPConnection) -> Principal | None:
        """Return who asks, or None."""
        header = connection.headers.get("authorization", "")
        if header:
            return self._by_header(header, connection)
        secret = connection.cookies.get(COOKIE, "")
        session = self._accounts.session(secret, _now_ms()) if secret else None
        if session is None:
            return None
        if session.name == "token":
            roles: tuple[str, ...] = self._token_roles
            districts: tuple[str, ...] = ("*",)
        else:
            person = self._accounts.person(session.name)
            if person is None or person.disabled:
                return None
            roles, districts = person.roles, person.districts
        return Principal(
            name=session.name,
            roles=roles,
            districts=districts,
            csrf=session.csrf,
            expires_at_ms=session.expires_at_ms,
            by_cookie=True,
        )

    def admit(self, connection: HTTPConnection, rule: Rule) -> Principal | None:
        """Return who asks, or raise: 401 nobody, 403 not they, 429 too often. None only on a public route."""
        if PUBLIC in rule.roles:
            return None
        principal = self.principal(connection)
        if principal is None:
            raise ApiError(401, "session", "no valid session or token; sign in, or send Authorization: Bearer TOKEN")
        if not principal.may(rule):
            allowed = ", ".join(sorted(rule.roles))
            raise ApiError(403, "role", f"{rule.name} takes the role {allowed}; you are {', '.join(principal.roles)}")
        if principal.by_cookie:
            self._check_origin(connection, rule, principal)
        wait_s = (self.acts if rule.act else self.reads).take(principal.name)
        if wait_s:
            raise ApiError(429, "rate", f"too many requests; try again in {wait_s} s", retry_s=wait_s)
        return principal

    def sign_in_allowed(self, key: str) -> None:
        """Slow down whoever tries passwords."""
        wait_s = self.sign_ins.take(key)
        if wait_s:
            raise ApiError(429, "rate", f"too many sign-ins; try again in {wait_s} s", retry_s=wait_s)

    def _by_header(self, header: str, connection: HTTPConnection) -> Principal | None:
        kind, _, value = header.partition(" ")
        given: str | None = None
        if kind.lower() == "bearer":
            given = value.strip()
        elif kind.lower() == "basic":
            try:
                user, _, password = base64.b64decode(value, validate=True).decode().partition(":")
            except ValueError:
                return None
            given = password if user == "token" else None
        if given is None:
            return None
        if not self.is_token(given):
            self.sign_in_allowed(f"token {connection.client.host if connection.client else ''}")
            return None
        return Principal(name="token", roles=self._token_roles, districts=("*",))

    @staticmethod
    def _check_origin(connection: HTTPConnection, rule: Rule, principal: Principal) -> None:
        """Ask for the token that only our page knows: a cookie alone is no proof of its user's will."""
        origin = connection.headers.get("origin")
        foreign = origin is not None and urlsplit(origin).netloc != connection.headers.get("host", "")
        if rule.method == "WS" and foreign:
            raise ApiError(403, "origin", f"{origin} may not open the live feed")
        if rule.method not in _SAFE:
            sent = connection.headers.get("x-csrf-token", "")
            if foreign or not hmac.compare_digest(sent.encode(), principal.csrf.encode()):
                raise ApiError(403, "csrf", "X-CSRF-Token is missing or wrong; read it from GET /api/v1/session")


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
