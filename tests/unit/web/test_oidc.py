"""Signing in through an issuer: a real one on loopback, which lies in every way that a token can lie."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import shutil
import subprocess
import threading
import time
import urllib.parse
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from cityloop.kernel.office import Person
from cityloop.web.oidc import Oidc
from cityloop.web.oidc_params import OidcParams

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="the test's issuer signs with openssl")

CLIENT, SECRET = "room-client", "a secret & of the client"
CODE = "code-of-one-sign-in"


def coded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Issuer:
    """A small issuer: publishes itself, hands out one code, and redeems it against its proof key."""

    def __init__(self, folder: Path) -> None:
        self.key = folder / "key.pem"
        _openssl("genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", str(self.key))
        modulus = int(_openssl("rsa", "-in", str(self.key), "-noout", "-modulus").split(b"=")[1], 16)
        self.jwk = {"kty": "RSA", "kid": "k1", "use": "sig", "n": coded(modulus.to_bytes(256)), "e": "AQAB"}
        self.reset()
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                path = urllib.parse.urlsplit(self.path).path
                pages = {"/.well-known/openid-configuration": issuer.about, "/jwks": lambda: {"keys": issuer.keys}}
                self._answer(pages[path]()) if path in pages else self._answer({}, 404)

            def do_POST(self) -> None:
                form = urllib.parse.parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
                self._answer(*issuer.redeem({key: one[0] for key, one in form.items()}, self.headers["Authorization"]))

            def _answer(self, body: dict[str, Any], status: int = 200) -> None:
                data = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *args: object) -> None: ...

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def reset(self) -> None:
        self.asked: dict[str, str] = {}
        self.keys: list[dict[str, Any]] = [self.jwk]
        self.header: dict[str, Any] = {"alg": "RS256", "kid": "k1"}
        self.change: Callable[[dict[str, Any]], None] = lambda claims: None
        self.spoil: Callable[[str], str] = lambda text: text
        self.calls_itself = ""

    def about(self) -> dict[str, Any]:
        return {
            "issuer": self.calls_itself or self.url,
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "jwks_uri": f"{self.url}/jwks",
        }

    def redeem(self, form: dict[str, str], authorization: str) -> tuple[dict[str, Any], int]:
        user, _, password = base64.b64decode(authorization.removeprefix("Basic ")).decode().partition(":")
        challenge = coded(hashlib.sha256(form["code_verifier"].encode()).digest())
        held = (
            form["code"] == CODE,
            form["redirect_uri"] == self.asked["redirect_uri"],
            challenge == self.asked["code_challenge"],
            (user, urllib.parse.unquote(password)) == (CLIENT, SECRET),
        )
        if not all(held):
            return {"error": "invalid_grant"}, 400
        return {"id_token": self.spoil(self.token()), "access_token": "unused", "token_type": "Bearer"}, 200

    def token(self) -> str:
        now_s = int(time.time())
        claims: dict[str, Any] = {
            "iss": self.url, "sub": "subject-1", "aud": CLIENT, "iat": now_s, "exp": now_s + 300,
            "nonce": self.asked["nonce"], "preferred_username": "ada", "groups": {"city": ["signal-desk"]},
        }  # fmt: skip
        self.change(claims)
        head = ".".join(coded(json.dumps(one).encode()) for one in (self.header, claims))
        return f"{head}.{coded(_openssl('dgst', '-sha256', '-sign', str(self.key), given=head.encode()))}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def _openssl(*words: str, given: bytes = b"") -> bytes:
    return subprocess.run(["openssl", *words], input=given, capture_output=True, check=True).stdout


@pytest.fixture(scope="module")
def one_issuer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Issuer]:
    made = Issuer(tmp_path_factory.mktemp("issuer"))
    yield made
    made.close()


@pytest.fixture
def issuer(one_issuer: Issuer) -> Issuer:
    one_issuer.reset()
    return one_issuer


def params_of(known: Issuer, **more: Any) -> OidcParams:
    fields: dict[str, Any] = {
        "issuer": known.url, "client_id": CLIENT, "client_secret": SECRET, "public_url": "http://localhost",
        "role_claim": "groups.city", "roles": {"signal-desk": "operator", "planning": "engineer"}, "name": "City login",
    }  # fmt: skip
    return OidcParams(**{**fields, **more})


@pytest.fixture
def room(shared_room: Any) -> Any:
    """One room for all of them: what was kept of a sign-in is taken away before the next."""
    for name in ("ada", "DESK\\ada <b>"):
        shared_room.desk.accounts.remove(name)
    shared_room.desk.oidc = None
    return shared_room


@pytest.fixture
def open_room(room: Any, issuer: Issuer) -> Any:
    room.desk.oidc = Oidc(params_of(issuer))
    return room


def sign_in(room: Any, issuer: Issuer, client: Any = None, **brought: str) -> Any:
    """Walk the way of a browser; return the answer at its end and the client that walked."""
    client = client or room.client()
    sent = client.get("/api/v1/session/oidc", follow_redirects=False)
    if sent.status_code != 303:
        return sent, client
    place = urllib.parse.urlsplit(sent.headers["location"])
    issuer.asked = dict(urllib.parse.parse_qsl(place.query))
    query = {"code": CODE, "state": issuer.asked["state"], "iss": issuer.url, **brought}
    return client.get("/api/v1/session/oidc/return", params=query, follow_redirects=False), client


def last_entry(room: Any) -> Any:
    return room.audit.newest(1)[0]


def test_whom_the_issuer_vouches_for_has_a_session_like_any_other(open_room: Any, issuer: Issuer) -> None:
    """The role comes from the claim; acts take the CSRF token; the audit log says by whom and how."""
    answer, client = sign_in(open_room, issuer)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert "httponly" in answer.headers["set-cookie"].lower()
    who = client.get("/api/v1/session").json()
    assert (who["user"], who["roles"], who["districts"]) == ("ada", ["operator"], ["*"])
    alert = "/api/v1/alerts/none/acknowledge"
    assert client.post(alert).json()["error"]["code"] == "csrf"
    assert client.post(alert, headers={"X-CSRF-Token": who["csrf"]}).status_code == 404
    entry = next(one for one in open_room.audit.newest(9) if one.act == "session.open")
    assert (entry.who, entry.outcome, entry.detail["by"], entry.detail["subject"]) == (
        "ada",
        "done",
        "oidc",
        "subject-1",
    )


def test_the_issuer_is_asked_with_state_nonce_and_proof_key(open_room: Any, issuer: Issuer) -> None:
    """Code flow with S256; the way back is the room's own, whatever host the browser names."""
    sign_in(open_room, issuer)
    asked = issuer.asked
    assert (asked["response_type"], asked["code_challenge_method"], asked["client_id"]) == ("code", "S256", CLIENT)
    assert asked["redirect_uri"] == "http://localhost/api/v1/session/oidc/return"
    assert len({asked["state"], asked["nonce"], asked["code_challenge"]}) == 3
    assert min(len(asked[one]) for one in ("state", "nonce", "code_challenge")) >= 43


def set_to(**values: Any) -> Callable[[dict[str, Any]], None]:
    return lambda claims: claims.update(values)


WRONG = {
    "audience": (set_to(aud="another-client"), "meant for another-client"),
    "two audiences": (set_to(aud=[CLIENT, "another"]), "not for this room"),
    "another party": (set_to(azp="another"), "not for this room"),
    "issuer": (set_to(iss="https://elsewhere.example"), "another issuer"),
    "expired": (set_to(exp=int(time.time()) - 3600), "expired"),
    "old": (set_to(iat=int(time.time()) - 7200), "begin again"),
    "future": (set_to(iat=int(time.time()) + 3600), "from the future"),
    "not yet": (set_to(nbf=int(time.time()) + 3600), "from the future"),
    "no expiry": (set_to(exp=None), "no exp"),
    "nonce": (set_to(nonce="of another sign-in"), "nonce"),
    "no nonce": (set_to(nonce=None), "nonce"),
    "nobody": (set_to(sub=""), "names nobody"),
    "no name": (set_to(preferred_username=None), "preferred_username"),
    "strange name": (set_to(preferred_username="DESK\\ada <b>"), "is no name"),
    "unknown role": (set_to(groups={"city": ["gardening"]}), "gardening"),
    "no role": (set_to(groups=None), "nothing"),
    "a role by another name": (set_to(groups={"city": ["operator", "admin"]}), "no role here"),
}


@pytest.mark.parametrize("lie", WRONG)
def test_a_token_that_is_wrong_lets_nobody_in(open_room: Any, issuer: Issuer, lie: str) -> None:
    """One line says what is wrong, the log notes it, and there is no session."""
    issuer.change, said = WRONG[lie]
    answer, client = sign_in(open_room, issuer)
    assert answer.status_code == 403
    assert said in answer.text
    assert "<b>" not in answer.text
    assert client.get("/api/v1/session").status_code == 401
    entry = last_entry(open_room)
    assert entry.act == "session.open"
    assert entry.outcome.startswith("refused: ")
    assert entry.detail["message"]


def unsigned(text: str) -> str:
    head = coded(json.dumps({"alg": "none"}).encode())
    return f"{head}.{text.split('.')[1]}."


def otherwise(text: str) -> str:
    head, claims, signature = text.split(".")
    changed = json.loads(base64.urlsafe_b64decode(claims + "=="))
    changed["groups"] = {"city": ["planning"]}
    return f"{head}.{coded(json.dumps(changed).encode())}.{signature}"


def by_secret(text: str) -> str:
    head = f"{coded(json.dumps({'alg': 'HS256', 'kid': 'k1'}).encode())}.{text.split('.')[1]}"
    return f"{head}.{coded(hmac.new(SECRET.encode(), head.encode(), hashlib.sha256).digest())}"


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (unsigned, "RS256 and ES256"),
        (otherwise, "signature is wrong"),
        (by_secret, "RS256 and ES256"),
        (str.upper, "token"),
    ],
)
def test_a_token_that_the_issuer_did_not_sign_lets_nobody_in(
    open_room: Any, issuer: Issuer, spoil: Any, said: str
) -> None:
    """No algorithm, other claims, a shared secret, rubbish: refused, and noted."""
    issuer.spoil = spoil
    answer, client = sign_in(open_room, issuer)
    assert answer.status_code == 403
    assert said in answer.text
    assert client.get("/api/v1/session").status_code == 401
    assert last_entry(open_room).outcome in ("refused: signature", "refused: token")


def test_a_key_that_the_issuer_published_since_is_found(open_room: Any, issuer: Issuer) -> None:
    """Issuers change keys: an unknown one is looked for again; one that is not published anywhere is refused."""
    open_room.desk.oidc._keys_asked_s = time.monotonic() - 100.0
    open_room.desk.oidc._keys = [{**issuer.jwk, "kid": "an older one"}]
    assert sign_in(open_room, issuer)[0].status_code == 303
    issuer.header = {"alg": "RS256", "kid": "made up"}
    answer, _ = sign_in(open_room, issuer)
    assert "does not publish" in answer.text


def test_a_way_back_that_was_not_begun_here_leads_nowhere(open_room: Any, issuer: Issuer) -> None:
    """A state made up, used twice, or of another browser begins no session."""
    assert "not begun here" in sign_in(open_room, issuer, state="made-up")[0].text
    answer, client = sign_in(open_room, issuer)
    assert answer.status_code == 303
    again = {"code": CODE, "state": issuer.asked["state"]}
    assert "not begun here" in client.get("/api/v1/session/oidc/return", params=again).text
    begun = open_room.client()
    place = urllib.parse.urlsplit(begun.get("/api/v1/session/oidc", follow_redirects=False).headers["location"])
    issuer.asked = dict(urllib.parse.parse_qsl(place.query))
    stolen = open_room.client().get(
        "/api/v1/session/oidc/return", params={"code": CODE, "state": issuer.asked["state"]}, follow_redirects=False
    )
    assert stolen.status_code == 403
    assert "another browser" in stolen.text


@pytest.mark.parametrize(
    ("brought", "said"),
    [
        ({"error": "access_denied"}, "access_denied"),
        ({"iss": "https://elsewhere.example"}, "another issuer"),
        ({"code": ""}, "no code"),
        ({"code": "guessed"}, "invalid_grant"),
    ],
)
def test_what_the_issuer_refuses_is_refused(open_room: Any, issuer: Issuer, brought: dict[str, str], said: str) -> None:
    """A refusal, an answer mixed up with another issuer's, no code, a code that is not good."""
    answer, client = sign_in(open_room, issuer, **brought)
    assert said in answer.text
    assert client.get("/api/v1/session").status_code == 401


def test_an_account_with_a_password_is_not_taken_over(open_room: Any, issuer: Issuer) -> None:
    """The issuer vouches for its own people, not for names that are somebody else's here."""
    issuer.change = set_to(preferred_username="engineer")
    answer, _ = sign_in(open_room, issuer)
    assert "an account with a password" in answer.text
    issuer.change = set_to(preferred_username="ada")
    assert sign_in(open_room, issuer)[0].status_code == 303
    issuer.change = set_to(preferred_username="ada", sub="subject-2")
    assert "another person of the issuer" in sign_in(open_room, issuer)[0].text


def test_roles_follow_the_issuer_and_an_administrator_can_shut_somebody_out(open_room: Any, issuer: Issuer) -> None:
    """Another group, another role, and the older session ends; a disabled account stays out; it has no password."""
    _, first = sign_in(open_room, issuer)
    issuer.change = set_to(groups={"city": ["planning"]})
    _, client = sign_in(open_room, issuer)
    assert client.get("/api/v1/session").json()["roles"] == ["engineer"]
    assert first.get("/api/v1/session").status_code == 401
    assert open_room.desk.accounts.check_password("ada", "") is None
    open_room.desk.accounts.change(Person(name="ada", roles=("engineer",), districts=("*",), disabled=True), None)
    assert "is disabled here" in sign_in(open_room, issuer)[0].text


def test_districts_come_from_a_claim_where_one_is_named(room: Any, issuer: Issuer) -> None:
    """Own districts only; somebody of none of ours does not come in."""
    room.desk.oidc = Oidc(params_of(issuer, districts_claim="areas"))
    issuer.change = set_to(areas="north-east elsewhere")
    _, client = sign_in(room, issuer)
    assert client.get("/api/v1/session").json()["districts"] == ["north-east"]
    issuer.change = set_to(areas=["elsewhere"])
    assert "no district here is yours" in sign_in(room, issuer)[0].text


def test_an_issuer_that_is_away_or_another_is_said_to_be_so(room: Any, issuer: Issuer) -> None:
    """Passwords work on; the page says which address did not answer, and that is noted as well."""
    room.desk.oidc = Oidc(params_of(issuer, issuer="http://127.0.0.1:9"))
    answer, _ = sign_in(room, issuer)
    assert answer.status_code == 502
    assert "http://127.0.0.1:9/.well-known/openid-configuration does not answer" in answer.text
    assert last_entry(room).outcome == "refused: unreachable"
    room.desk.oidc = Oidc(params_of(issuer))
    issuer.calls_itself = "https://elsewhere.example"
    assert "they must agree" in sign_in(room, issuer)[0].text
    assert room.client("viewer").get("/api/v1/session").status_code == 200


def test_the_page_is_told_how_one_may_sign_in(open_room: Any) -> None:
    """The button bears the issuer's name; without an issuer there is none, and its way leads nowhere."""
    assert open_room.client().get("/api/v1/session/ways").json() == {"password": True, "oidc": {"name": "City login"}}
    open_room.desk.oidc = None
    client = open_room.client()
    assert client.get("/api/v1/session/ways").json()["oidc"] is None
    assert client.get("/api/v1/session/oidc").status_code == 404
