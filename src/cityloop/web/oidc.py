"""Signing in through the city's own issuer: OpenID Connect, authorization code with PKCE, deny by default.

The browser is sent to the issuer and comes back with a code; the server redeems the code, checks the token against the
issuer's published keys, and maps a claim to roles. Nobody without a mapped role comes in. From there on everything is
as with a password: the same session, the same CSRF token, the same audit log.

References
----------
.. [1] OpenID Connect Core 1.0, sections 3.1.2 and 3.1.3; OpenID Connect Discovery 1.0, section 4.
.. [2] RFC 7636, Proof Key for Code Exchange; RFC 9207, issuer identification; RFC 9700, OAuth 2.0 security.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cityloop.kernel.errors import InputError
from cityloop.web.oidc_params import LOCAL, OidcParams, checked_url
from cityloop.wire.jwt import Jwt, read_jwt, verify_signature

__all__ = ["Begun", "Oidc", "OidcRefusedError", "Told"]

RETURN_PATH = "/api/v1/session/oidc/return"
_TIMEOUT_S = 10.0
_LARGEST = 512 * 1024
_KEPT_S = 600.0
"""How long somebody may take at the issuer."""
_MOST_PENDING = 1000
_KNOWN_S = 3600.0
"""How long what an issuer publishes of itself is believed without asking again."""
_NEW_KEYS_S = 30.0
"""Between two looks for keys that a token names and that are not known."""
_LEEWAY_S = 60.0
_OLDEST_S = 600.0


class OidcRefusedError(InputError):
    """Somebody did not get in, and why."""

    def __init__(self, code: str, message: str, name: str = "") -> None:
        super().__init__(message)
        self.code, self.name = code, name


@dataclass(frozen=True, slots=True)
class Begun:
    """Where the browser is sent, and the secret that it brings back in a cookie."""

    url: str
    secret: str


@dataclass(frozen=True, slots=True)
class Told:
    """Who somebody is, as the issuer says, in this room's words."""

    name: str
    roles: tuple[str, ...]
    districts: tuple[str, ...]
    subject: str


@dataclass(frozen=True, slots=True)
class _Pending:
    """One sign-in that is at the issuer."""

    digest: bytes
    nonce: str
    verifier: str
    until_s: float


class _Straight(urllib.request.HTTPRedirectHandler):
    """Follows no redirect: what an issuer publishes lies where it says."""

    def redirect_request(self, *args: Any, **kwargs: Any) -> None:
        return None


class Oidc:
    """One issuer, and the sign-ins that are under way; calls may come from any thread."""

    def __init__(self, params: OidcParams) -> None:
        self.params = params
        self._pending: OrderedDict[str, _Pending] = OrderedDict()
        self._lock = threading.Lock()
        # A proxy that the machine may have set up is no way to the machine itself.
        near = urllib.parse.urlsplit(params.issuer).hostname in LOCAL
        self._opener = urllib.request.build_opener(_Straight(), *([urllib.request.ProxyHandler({})] if near else []))
        self._about: Mapping[str, Any] = {}
        self._about_until_s = 0.0
        self._keys: list[Mapping[str, Any]] = []
        self._keys_asked_s = -_KNOWN_S

    @property
    def redirect_uri(self) -> str:
        """Where the issuer sends the browser back to; to be registered there word for word."""
        return self.params.public_url.rstrip("/") + RETURN_PATH

    def begin(self) -> Begun:
        """Begin a sign-in."""
        about = self._discovered()
        state, nonce, secret, verifier = (secrets.token_urlsafe(32) for _ in range(4))
        pending = _Pending(_digest(secret), nonce, verifier, time.monotonic() + _KEPT_S)
        with self._lock:
            self._pending[state] = pending
            while len(self._pending) > _MOST_PENDING:
                self._pending.popitem(last=False)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        asked = {
            "response_type": "code",
            "client_id": self.params.client_id,
            "redirect_uri": self.redirect_uri,
            "scope": " ".join(self.params.scopes),
            "state": state,
            "nonce": nonce,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        endpoint = str(about["authorization_endpoint"])
        joint = "&" if urllib.parse.urlsplit(endpoint).query else "?"
        return Begun(f"{endpoint}{joint}{urllib.parse.urlencode(asked)}", secret)

    def finish(self, query: Mapping[str, str], secret: str, now_ms: int) -> Told:
        """Take what the browser brought back, redeem it, and return who it is; raise ``OidcRefusedError`` otherwise."""
        with self._lock:
            pending = self._pending.pop(query.get("state", ""), None)
        if pending is None or time.monotonic() > pending.until_s:
            raise OidcRefusedError("state", "this sign-in was not begun here, or took too long; begin again")
        if not hmac.compare_digest(pending.digest, _digest(secret)):
            raise OidcRefusedError("browser", "this sign-in was begun in another browser; begin again")
        if query.get("iss", self.params.issuer) != self.params.issuer:
            raise OidcRefusedError("issuer", "the answer comes from another issuer than it was asked of")
        if "error" in query:
            raise OidcRefusedError("issuer", f"the issuer refused: {_plain(query['error'])}")
        if not query.get("code"):
            raise OidcRefusedError("code", "the issuer sent no code")
        raw = self._redeem(query["code"], pending.verifier)
        try:
            token = read_jwt(raw)
        except InputError as error:
            raise OidcRefusedError("token", str(error)) from error
        self._check_signature(token)
        self._check_claims(token.claims, pending.nonce, now_ms / 1000)
        return self._person(token.claims)

    def _redeem(self, code: str, verifier: str) -> str:
        form = {
            "grant_type": "authorization_code",
            "code": code[:4096],
            "redirect_uri": self.redirect_uri,
            "client_id": self.params.client_id,
            "code_verifier": verifier,
        }
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
        if self.params.client_secret:
            pair = ":".join(
                urllib.parse.quote(one, safe="") for one in (self.params.client_id, self.params.client_secret)
            )
            headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
        endpoint = str(self._discovered()["token_endpoint"])
        told = self._ask(urllib.request.Request(endpoint, urllib.parse.urlencode(form).encode(), headers))
        raw = told.get("id_token")
        if not isinstance(raw, str):
            raise OidcRefusedError("token", "the issuer sent no id_token")
        return raw

    def _check_signature(self, token: Jwt) -> None:
        try:
            if verify_signature(token, self._published_keys(new=False)):
                return
            if verify_signature(token, self._published_keys(new=True)):
                return
        except InputError as error:
            if isinstance(error, OidcRefusedError):
                raise
            raise OidcRefusedError("signature", str(error)) from error
        raise OidcRefusedError("signature", "the token is signed with a key that the issuer does not publish")

    def _check_claims(self, claims: Mapping[str, Any], nonce: str, now_s: float) -> None:
        params = self.params
        if claims.get("iss") != params.issuer:
            raise OidcRefusedError("issuer", f"the token is of another issuer: {_plain(claims.get('iss'))}")
        meant = claims.get("aud")
        meant = [meant] if isinstance(meant, str) else meant if isinstance(meant, list) else []
        if params.client_id not in meant or (len(meant) > 1 and claims.get("azp") != params.client_id):
            others = _plain(", ".join(map(str, meant))) or "nobody"
            raise OidcRefusedError("audience", f"the token is meant for {others}, not for this room")
        if claims.get("azp", params.client_id) != params.client_id:
            raise OidcRefusedError("audience", f"the token was made for {_plain(claims['azp'])}, not for this room")
        expires_s, made_s = _instant(claims, "exp"), _instant(claims, "iat")
        if now_s > expires_s + _LEEWAY_S:
            raise OidcRefusedError(
                "expired", f"the token expired {now_s - expires_s:.0f} s ago; are both clocks right?"
            )
        if made_s > now_s + _LEEWAY_S or ("nbf" in claims and _instant(claims, "nbf") > now_s + _LEEWAY_S):
            raise OidcRefusedError("early", "the token is from the future; are both clocks right?")
        if made_s < now_s - _OLDEST_S:
            raise OidcRefusedError("expired", f"the token was made {now_s - made_s:.0f} s ago; begin again")
        told = claims.get("nonce")
        if not isinstance(told, str) or not hmac.compare_digest(told.encode(), nonce.encode()):
            raise OidcRefusedError("nonce", "the token does not belong to this sign-in (nonce); begin again")
        if not isinstance(claims.get("sub"), str) or not claims["sub"]:
            raise OidcRefusedError("token", "the token names nobody (sub)")

    def _person(self, claims: Mapping[str, Any]) -> Told:
        params = self.params
        name = _claim(claims, params.name_claim)
        if not isinstance(name, str) or not name:
            raise OidcRefusedError("name", f"the token has no {params.name_claim}; the issuer must send it")
        told = _words(_claim(claims, params.role_claim))
        roles = tuple(sorted({params.roles[one] for one in told if one in params.roles}))
        if not roles:
            held = ", ".join(_plain(one) for one in told) or "nothing"
            message = f"no role here belongs to what the issuer says of {_plain(name)} ({params.role_claim}: {held})"
            raise OidcRefusedError("role", message, name=name[:64])
        districts: tuple[str, ...] = ("*",)
        if params.districts_claim:
            districts = tuple(sorted(set(_words(_claim(claims, params.districts_claim)))))
        return Told(name=name[:65], roles=roles, districts=districts, subject=str(claims["sub"]))

    def _discovered(self) -> Mapping[str, Any]:
        """Return what the issuer publishes of itself."""
        now_s = time.monotonic()
        if now_s < self._about_until_s:
            return self._about
        issuer = self.params.issuer
        about = self._ask(urllib.request.Request(f"{issuer.rstrip('/')}/.well-known/openid-configuration"))
        if about.get("issuer") != issuer:
            raise OidcRefusedError("discovery", f"{issuer} calls itself {_plain(about.get('issuer'))}; they must agree")
        for key in ("authorization_endpoint", "token_endpoint", "jwks_uri"):
            try:
                checked_url(str(about.get(key, "")), key)
            except InputError as error:
                raise OidcRefusedError("discovery", f"{issuer}: {error}") from error
        self._about, self._about_until_s = about, now_s + _KNOWN_S
        return about

    def _published_keys(self, *, new: bool) -> list[Mapping[str, Any]]:
        """Return the issuer's keys; asked for again where a token names one that is not among them."""
        now_s = time.monotonic()
        if now_s - self._keys_asked_s > (_NEW_KEYS_S if new and self._keys else _KNOWN_S if self._keys else 0.0):
            self._keys_asked_s = now_s
            keys = self._ask(urllib.request.Request(str(self._discovered()["jwks_uri"]))).get("keys")
            self._keys = [key for key in keys if isinstance(key, dict)] if isinstance(keys, list) else []
        return self._keys

    def _ask(self, request: urllib.request.Request) -> Mapping[str, Any]:
        where = request.full_url.split("?")[0]
        try:
            with self._opener.open(request, timeout=_TIMEOUT_S) as answered:
                data = answered.read(_LARGEST + 1)
        except urllib.error.HTTPError as error:
            raise OidcRefusedError("unreachable", f"{where} answers {error.code}{_told_error(error)}") from error
        except (OSError, ValueError) as error:
            raise OidcRefusedError("unreachable", f"{where} does not answer ({_plain(error)})") from error
        try:
            told = json.loads(data) if len(data) <= _LARGEST else None
        except (ValueError, RecursionError):
            told = None
        if not isinstance(told, dict):
            raise OidcRefusedError("unreachable", f"{where} sends no JSON object")
        return told


def _claim(claims: Mapping[str, Any], path: str) -> Any:
    """Return a claim by its name, or by its dotted path where none has that name."""
    if path in claims:
        return claims[path]
    value: Any = claims
    for part in path.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return value


def _words(value: Any) -> list[str]:
    """Return a claim's words: a list of them, or one text parted by spaces."""
    if isinstance(value, str):
        return value.split()
    return [one for one in value if isinstance(one, str)][:200] if isinstance(value, list) else []


def _instant(claims: Mapping[str, Any], name: str) -> float:
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not -1e12 < value < 1e12:
        raise OidcRefusedError("token", f"the token has no {name}")
    return float(value)


def _told_error(error: urllib.error.HTTPError) -> str:
    try:
        told = json.loads(error.read(4096))
        return f": {_plain(told['error'])}"
    except (ValueError, KeyError, TypeError, OSError):
        return ""


def _plain(value: Any) -> str:
    """Return what somebody else sent as one short line."""
    return " ".join(str(value).split())[:80]


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()
