"""Whatever the description of the devices' API allows to be sent, and what it does not: never a fault of ours."""

from __future__ import annotations

import warnings
from contextlib import contextmanager

import pytest
from hypothesis import HealthCheck, given, settings

from cityloop.app.sensing import identify_with, open_sensing, register_with
from cityloop.sensing.app import sensing_app
from cityloop.sensing.codecs import Codecs
from cityloop.sensing.http import IngestApp
from cityloop.sensing.openapi import ingest_openapi
from cityloop.sensing.sensorthings.routes import sensorthings_routes
from cityloop.storage.readings import StoreParams
from cityloop.storage.streams import Registration

with warnings.catch_warnings():
    # It asks for a package of another name than the one that is pinned; both speak the same.
    warnings.simplefilter("ignore")
    import schemathesis
    from schemathesis import GenerationMode
    from starlette.applications import Starlette

ADMIN = "a-token-of-the-administrator"
DESCRIBED = ingest_openapi(Codecs())
ENDLESS = ("/ingest/changes",)
"""A stream; a test of its own reads it."""

OPERATIONS = [
    (path, method) for path, methods in DESCRIBED["paths"].items() if path not in ENDLESS for method in methods
]


@contextmanager
def _application(folder):
    with open_sensing(folder, store=StoreParams(background=False), admin_token=ADMIN) as opened:
        opened.streams.register_many(
            [Registration(name=f"s{row}", unit="Cel", low=-50.0, high=60.0) for row in range(5)]
        )
        ingest = IngestApp(
            opened.inbox,
            Codecs(),
            identify=identify_with(opened.access),
            register=register_with(opened.streams),
            tokens=opened.tokens,
        )
        known = opened.access.principal
        routes = sensorthings_routes(opened.things, lambda http: known(http.headers.get("authorization")))
        yield sensing_app(ingest, Starlette(routes=list(routes)))


@pytest.fixture(scope="module")
def described(tmp_path_factory):
    """The API as it describes itself, over the application itself."""
    for media in Codecs().media_types:
        schemathesis.serializer.alias(media, "application/octet-stream")
    with _application(tmp_path_factory.mktemp("fuzz")) as app:
        headers = {"Authorization": f"Bearer {ADMIN}"}
        yield schemathesis.openapi.from_asgi("/ingest/openapi.json", app, headers=headers)


@pytest.mark.parametrize(("path", "method"), OPERATIONS)
def test_no_request_ends_in_a_fault_of_ours(described, path, method):
    """As the administrator, so that it is the handler that answers and not the gate."""
    operation = described[path][method]
    sound = operation.as_strategy()
    said = DESCRIBED["paths"][path][method]
    # Where there is nothing to say there is nothing to say wrongly.
    can_be_wrong = bool(said.get("parameters")) or "requestBody" in said
    other = operation.as_strategy(generation_mode=GenerationMode.NEGATIVE) if can_be_wrong else sound

    @settings(max_examples=4, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(allowed=sound, other=other)
    def ask(allowed, other):
        for case in (allowed, other):
            answer = case.call(headers={"Authorization": f"Bearer {ADMIN}"})
            assert answer.status_code < 500, (case.as_curl_command(), answer.status_code)

    ask()
