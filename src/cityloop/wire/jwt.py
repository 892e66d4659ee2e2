"""Signed tokens (JWT) as OpenID Connect issuers make them: read, and checked against the issuer's published keys.

Only RS256 (RSASSA-PKCS1-v1_5 with SHA-256) and ES256 (ECDSA on P-256 with SHA-256) are known; ``none``, and signatures
by a shared secret, are refused as any other name. Checking a signature handles nothing secret: key, message and
signature are all public, so plain integers do, and no library is needed for it.

References
----------
.. [1] RFC 7515, JSON Web Signature; RFC 7517, JSON Web Key; RFC 7518, JSON Web Algorithms; RFC 7519, JSON Web Token.
.. [2] RFC 8017, PKCS #1, section 8.2.2. FIPS 186-5, section 6.4.2. SEC 1, section 4.1.4.
.. [3] RFC 8725, JSON Web Token Best Current Practices.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from cityloop.kernel.errors import InputError

__all__ = ["Jwt", "read_jwt", "verify_signature"]

_LARGEST = 32 * 1024
_LEAST_BITS, _MOST_BITS = 2048, 8192
_SHA256_INFO = bytes.fromhex("3031300d060960864801650304020105000420")
"""DigestInfo of SHA-256, up to the digest."""

_P = 2**256 - 2**224 + 2**192 + 2**96 - 1
_N = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
_B = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B
_G = (
    0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
    0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5,
)
"""Field, order, coefficient and base point of P-256."""
_Point = tuple[int, int] | None


@dataclass(frozen=True, slots=True)
class Jwt:
    """A token that was read and not yet believed."""

    header: Mapping[str, Any]
    claims: Mapping[str, Any]
    signed: bytes
    """What the signature is over."""
    signature: bytes


def read_jwt(text: str) -> Jwt:
    """Take a compact token apart; what cannot be one raises ``InputError``."""
    parts = text.split(".")
    if len(text) > _LARGEST or len(parts) != 3:
        raise InputError("the token is no signed token of three parts")
    header, claims = _object(parts[0], "header"), _object(parts[1], "claims")
    return Jwt(header, claims, f"{parts[0]}.{parts[1]}".encode(), _bytes(parts[2], "signature"))


def verify_signature(token: Jwt, keys: Iterable[Mapping[str, Any]]) -> bool:
    """Check a token against an issuer's keys; tell whether any could be tried.

    Raises ``InputError`` where the algorithm is not one of ours, or a key that fits does not agree. Returns False where
    no key fits the token: the issuer may have new ones.
    """
    name = token.header.get("alg")
    if name not in ("RS256", "ES256"):
        raise InputError(f"the token is signed by {str(name)[:20]!r}; RS256 and ES256 are accepted")
    if "crit" in token.header:
        raise InputError("the token asks for extensions (crit) that are not known here")
    kid = token.header.get("kid")
    fitting = [key for key in keys if _fits(key, name, kid)]
    if not fitting or (kid is None and len(fitting) > 1):
        return False
    check = _rs256 if name == "RS256" else _es256
    if not any(check(key, token.signed, token.signature) for key in fitting):
        raise InputError("the token's signature is wrong")
    return True


def _fits(key: Mapping[str, Any], name: str, kid: Any) -> bool:
    kind = key.get("kty") == "RSA" if name == "RS256" else key.get("kty") == "EC" and key.get("crv") == "P-256"
    return kind and key.get("use", "sig") == "sig" and key.get("alg", name) == name and kid in (None, key.get("kid"))


def _rs256(key: Mapping[str, Any], signed: bytes, signature: bytes) -> bool:
    modulus, exponent = _number(key, "n"), _number(key, "e")
    size = (modulus.bit_length() + 7) // 8
    if not _LEAST_BITS <= modulus.bit_length() <= _MOST_BITS or not 3 <= exponent < 2**32 or exponent % 2 == 0:
        raise InputError(
            f"the issuer's RSA key has {modulus.bit_length()} bits; {_LEAST_BITS} to {_MOST_BITS} are accepted"
        )
    value = int.from_bytes(signature)
    if len(signature) != size or value >= modulus:
        return False
    # The whole encoding is compared, so that nothing can hide in its padding.
    digest = _SHA256_INFO + hashlib.sha256(signed).digest()
    wanted = b"\x00\x01" + b"\xff" * (size - len(digest) - 3) + b"\x00" + digest
    return pow(value, exponent, modulus).to_bytes(size) == wanted


def _es256(key: Mapping[str, Any], signed: bytes, signature: bytes) -> bool:
    x, y = _number(key, "x"), _number(key, "y")
    if not (0 <= x < _P and 0 <= y < _P and (y * y - (x * x * x - 3 * x + _B)) % _P == 0):
        raise InputError("the issuer's EC key is no point of P-256")
    if len(signature) != 64:
        return False
    r, s = int.from_bytes(signature[:32]), int.from_bytes(signature[32:])
    if not (0 < r < _N and 0 < s < _N):
        return False
    inverse = pow(s, -1, _N)
    digest = int.from_bytes(hashlib.sha256(signed).digest())
    found = _add(_times(digest * inverse % _N, _G), _times(r * inverse % _N, (x, y)))
    return found is not None and found[0] % _N == r


def _add(a: _Point, b: _Point) -> _Point:
    if a is None or b is None:
        return b if a is None else a
    if a[0] == b[0]:
        if (a[1] + b[1]) % _P == 0:
            return None
        slope = 3 * (a[0] * a[0] - 1) * pow(2 * a[1], -1, _P) % _P
    else:
        slope = (b[1] - a[1]) * pow(b[0] - a[0], -1, _P) % _P
    x = (slope * slope - a[0] - b[0]) % _P
    return x, (slope * (a[0] - x) - a[1]) % _P


def _times(factor: int, point: _Point) -> _Point:
    total: _Point = None
    while factor:
        if factor & 1:
            total = _add(total, point)
        point = _add(point, point)
        factor >>= 1
    return total


def _number(key: Mapping[str, Any], name: str) -> int:
    return int.from_bytes(_bytes(key.get(name), f"key's {name}"))


def _object(text: str, what: str) -> Mapping[str, Any]:
    try:
        value = json.loads(_bytes(text, what))
    except (ValueError, RecursionError):
        raise InputError(f"the token's {what} is no JSON object") from None
    if not isinstance(value, dict):
        raise InputError(f"the token's {what} is no JSON object")
    return value


def _bytes(text: Any, what: str) -> bytes:
    try:
        if not isinstance(text, str) or "=" in text:
            raise ValueError
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (ValueError, binascii.Error):
        raise InputError(f"the token's {what} is not base64url") from None
