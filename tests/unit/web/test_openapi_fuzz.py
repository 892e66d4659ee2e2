"""Whatever the API's own description allows to be sent, and a good deal that it does not: never an answer of 5xx."""

from __future__ import annotations

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode

from cityloop.web.pages import openapi

TOKEN = "a-token-of-the-administrator"
ENDLESS = ("/api/v1/events", "/api/v1/frames")
"""Streams; tests of their own read them."""

DESCRIBED = openapi()["paths"]
OPERATIONS = [
    (path, method)
    for path, described in DESCRIBED.items()
    for method in described
    if method in ("get", "post", "patch", "put", "delete") and path not in ENDLESS
]


@pytest.fixture(scope="module")
def described(shared_room):
    """The API as it describes itself, over the application itself."""
    headers = {"Authorization": f"Bearer {TOKEN}"}
    return schemathesis.openapi.from_asgi("/api/v1/openapi.json", shared_room.app, headers=headers)


@pytest.mark.parametrize(("path", "method"), OPERATIONS)
def test_no_request_ends_in_a_fault_of_ours(described, path, method):
    """As the administrator, so that it is the handler that answers and not the gate."""
    operation = described[path][method]
    sound = operation.as_strategy()
    said = DESCRIBED[path][method]
    # Where there is nothing to say there is nothing to say wrongly.
    can_be_wrong = bool(said["parameters"]) or "requestBody" in said
    other = operation.as_strategy(generation_mode=GenerationMode.NEGATIVE) if can_be_wrong else sound

    @settings(max_examples=3, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(allowed=sound, other=other)
    def ask(allowed, other):
        for case in (allowed, other):
            answer = case.call(headers={"Authorization": f"Bearer {TOKEN}"})
            # A room that is not ready says so with 503.
            assert answer.status_code < 500 or path == "/readyz", (case.as_curl_command(), answer.status_code)

    ask()
