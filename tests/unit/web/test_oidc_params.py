"""The file by which a room knows its issuer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cityloop.kernel.errors import ConfigError
from cityloop.web.oidc_params import read_oidc

FILE = {
    "issuer": "https://login.example",
    "client_id": "room",
    "public_url": "https://room.example",
    "roles": {"a": "viewer"},
}


def written(path: Path, values: dict[str, Any]) -> Path:
    """Write plain values as TOML: JSON writes texts and lists the same, and a table goes inline."""
    lines = []
    for key, value in values.items():
        inline = (
            "{" + ", ".join(f"{json.dumps(k)} = {json.dumps(v)}" for k, v in value.items()) + "}"
            if isinstance(value, dict)
            else json.dumps(value)
        )
        lines.append(f"{key} = {inline}")
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"issuer": "http://login.example"}, "issuer: 'http://login.example' is no https address"),
        ({"public_url": "room.example"}, "public_url"),
        ({"roles": {"a": "mayor"}}, "roles.a: 'mayor' is no role"),
        ({"roles": {}}, "nobody could come in"),
        ({"scopes": ["profile"]}, "scopes: openid is missing"),
        ({"client_secret": "written down"}, "client_secret must not stand in a file"),
        ({"client_secret_env": "NOT_SET_ANYWHERE"}, "NOT_SET_ANYWHERE is not set"),
        ({"issuers": "x"}, "issuers"),
    ],
)
def test_a_wrong_key_of_the_file_is_named(tmp_path: Path, changed: dict[str, Any], said: str) -> None:
    """One line: the file, the key, what is wrong."""
    with pytest.raises(ConfigError, match=r"oidc\.toml: ") as told:
        read_oidc(written(tmp_path / "oidc.toml", {**FILE, **changed}))
    assert said in str(told.value)


def test_a_file_that_is_right_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The secret comes from the environment; the issuer's host stands for its name."""
    monkeypatch.setenv("ROOM_SECRET", "kept elsewhere")
    params = read_oidc(written(tmp_path / "oidc.toml", {**FILE, "client_secret_env": "ROOM_SECRET"}))
    assert (params.client_secret, params.label) == ("kept elsewhere", "login.example")
