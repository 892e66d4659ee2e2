"""Signed tokens (JWT) as OpenID Connect issuers make them: read, and checked against the issuer's published keys.

Only RS256 (RSASSA-PKCS1-v1_5 with SHA-256) and ES256 (ECDSA on P-256 with SHA-256) are known; ``none``, and signatures
by a shared secret, are refused as any other name.

References
----------
.. [1] RFC 7515, JSON Web Signature; RFC 7517, JSON Web Key; RFC 7518, JSON Web Algorithms; RFC 7519, JSON Web Token.
.. [2] RFC 8725, JSON Web Token Best Current Practices.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from cityloop.kernel.errors import InputError

__all__ = ["Jwt", "read_jwt", "verify_signature"]

_LARGEST = 32 * 1024
_LEAST_BITS, _MOST_BITS = 2048, 8192


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
    if not _LEAST_BITS <= modulus.bit_length() <= _MOST_BITS or not 3 <= exponent < 2**32 or exponent % 2 == 0:
        raise InputError(
            f"the issuer's RSA key has {modulus.bit_length()} bits; {_LEAST_BITS} to {_MOST_BITS} are accepted"
        )
    try:
        public = rsa.RSAPublicNumbers(exponent, modulus).public_key()
        public.verify(signature, signed, padding.PKCS1v15(), hashes.SHA256())
    except InvalidSignature:
        return False
    return True


def _es256(key: Mapping[str, Any], signed: bytes, signature: bytes) -> bool:
    try:
        public = ec.EllipticCurvePublicNumbers(_number(key, "x"), _number(key, "y"), ec.SECP256R1()).public_key()
    except ValueError:
        raise InputError("the issuer's EC key is no point of P-256") from None
    if len(signature) != 64:
        return False
    pair = encode_dss_signature(int.from_bytes(signature[:32]), int.from_bytes(signature[32:]))
    try:
        public.verify(pair, signed, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        return False
    return True


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
