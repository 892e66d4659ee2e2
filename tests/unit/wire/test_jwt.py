"""Signatures of tokens: held against the RFC's own example and against OpenSSL, which shares no code with ours."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
from pathlib import Path

import pytest

from cityloop.kernel.errors import InputError
from cityloop.wire.jwt import read_jwt, verify_signature

RFC_7515_A3 = (
    "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ."
    "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q"
)
RFC_7515_A3_KEY = {
    "kty": "EC",
    "crv": "P-256",
    "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
    "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
}
needs_openssl = pytest.mark.skipif(
    shutil.which("openssl") is None, reason="no openssl here (Debian: apt install openssl)"
)


def coded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def part(value: object) -> str:
    return coded(json.dumps(value).encode())


def openssl(*words: str, given: bytes = b"") -> bytes:
    return subprocess.run(["openssl", *words], input=given, capture_output=True, check=True).stdout


def rsa_key(path: Path, bits: int = 2048) -> dict[str, str]:
    openssl("genpkey", "-algorithm", "RSA", "-pkeyopt", f"rsa_keygen_bits:{bits}", "-out", str(path))
    modulus = int(openssl("rsa", "-in", str(path), "-noout", "-modulus").split(b"=")[1], 16)
    n = coded(modulus.to_bytes((modulus.bit_length() + 7) // 8))
    return {"kty": "RSA", "kid": "one", "n": n, "e": "AQAB"}


def ec_key(path: Path) -> dict[str, str]:
    openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", str(path))
    point = openssl("pkey", "-in", str(path), "-pubout", "-outform", "DER")[-64:]
    return {"kty": "EC", "kid": "two", "crv": "P-256", "x": coded(point[:32]), "y": coded(point[32:])}


def signed(path: Path, header: dict[str, object], claims: dict[str, object]) -> str:
    """Return a token signed by OpenSSL."""
    head = f"{part(header)}.{part(claims)}"
    made = openssl("dgst", "-sha256", "-sign", str(path), given=head.encode())
    if header["alg"] == "ES256":
        # DER: a sequence of two integers.
        at, numbers = 2, []
        for _ in range(2):
            long = made[at + 1]
            numbers.append(int.from_bytes(made[at + 2 : at + 2 + long]).to_bytes(32))
            at += 2 + long
        made = b"".join(numbers)
    return f"{head}.{coded(made)}"


def test_the_example_of_the_standard_is_verified() -> None:
    """RFC 7515, appendix A.3: an ES256 token and its key."""
    token = read_jwt(RFC_7515_A3)
    assert verify_signature(token, [RFC_7515_A3_KEY])
    assert token.claims["iss"] == "joe"


@needs_openssl
@pytest.mark.parametrize(("name", "make"), [("RS256", rsa_key), ("ES256", ec_key)])
def test_what_openssl_signed_is_verified_and_a_changed_claim_is_not(tmp_path, name, make) -> None:
    """Both algorithms agree with OpenSSL, twenty times over; one other byte of the claims and they do not."""
    key = make(tmp_path / "key.pem")
    for n in range(20):
        text = signed(tmp_path / "key.pem", {"alg": name, "kid": key["kid"]}, {"sub": f"person {n}"})
        assert verify_signature(read_jwt(text), [RFC_7515_A3_KEY, key])
        head, _, signature = text.split(".")
        with pytest.raises(InputError, match="signature is wrong"):
            verify_signature(read_jwt(f"{head}.{part({'sub': 'the mayor'})}.{signature}"), [key])


@needs_openssl
def test_a_key_of_another_kind_or_name_is_not_tried(tmp_path) -> None:
    """A token says which key it was signed with; where none fits, nothing is verified and nothing is claimed."""
    key = rsa_key(tmp_path / "key.pem")
    token = read_jwt(signed(tmp_path / "key.pem", {"alg": "RS256", "kid": "one"}, {}))
    for other in ({**key, "kid": "two"}, {**key, "use": "enc"}, {**key, "alg": "ES256"}, RFC_7515_A3_KEY):
        assert not verify_signature(token, [other])
    nameless = read_jwt(signed(tmp_path / "key.pem", {"alg": "RS256"}, {}))
    assert not verify_signature(nameless, [key, {**key, "kid": "two"}])


@needs_openssl
def test_a_weak_key_is_refused(tmp_path) -> None:
    """RSA of 1024 bits is no longer believed, whoever publishes it."""
    key = rsa_key(tmp_path / "key.pem", 1024)
    with pytest.raises(InputError, match="1024 bits"):
        verify_signature(read_jwt(signed(tmp_path / "key.pem", {"alg": "RS256", "kid": "one"}, {})), [key])


@pytest.mark.parametrize("name", ["none", "HS256", "PS256", "", None, 7])
def test_other_algorithms_are_refused(name) -> None:
    """``none`` and shared secrets are no signatures of an issuer."""
    with pytest.raises(InputError, match="RS256 and ES256 are accepted"):
        verify_signature(read_jwt(f"{part({'alg': name})}.{part({})}.{coded(b'x')}"), [RFC_7515_A3_KEY])


@pytest.mark.parametrize("signature", [bytes(64), b"\xff" * 64, b"", bytes(63), bytes(31) + b"\x01" + bytes(32)])
def test_numbers_outside_the_curve_are_no_signature(signature) -> None:
    """Zero, too great, too short: wrong, and never an error of ours."""
    head, claims, _ = RFC_7515_A3.split(".")
    with pytest.raises(InputError, match="signature is wrong"):
        verify_signature(read_jwt(f"{head}.{claims}.{coded(signature)}"), [RFC_7515_A3_KEY])


def test_a_point_that_is_not_on_the_curve_is_no_key() -> None:
    """A key that cannot be one is said to be so."""
    with pytest.raises(InputError, match="no point of P-256"):
        verify_signature(read_jwt(RFC_7515_A3), [{**RFC_7515_A3_KEY, "x": coded(b"\x01" * 32)}])


@pytest.mark.parametrize(
    "text", ["", "a.b", "a.b.c.d", "!.e30.e30", "e30.e30.=", "W10.e30.e30", "e30." + "A" * 40_000 + ".e30"]
)
def test_what_is_no_token_is_refused_in_one_line(text) -> None:
    """Whatever comes in its place, the reader is told what is wrong."""
    with pytest.raises(InputError, match="the token"):
        read_jwt(text)
