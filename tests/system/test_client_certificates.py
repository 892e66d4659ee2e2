"""Devices known by their certificates, over HTTP and MQTT, beside devices known by tokens."""

from __future__ import annotations

import json
import shutil
import ssl
import subprocess
import time

import httpx
import numpy as np
import paho.mqtt.client as mqtt
import pytest
from click.testing import CliRunner
from sensing_server import ADMIN, Server, until

from cityloop.cli.simulate_sensors import command
from cityloop.sensing.access import subject_of
from cityloop.wire import arrow

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the certificates")


def _openssl(folder, *words: str) -> None:
    subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)


def _authority(folder, name: str) -> None:
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    _openssl(folder, "req", "-x509", *key, "-keyout", f"{name}.key", "-out", f"{name}.pem", "-subj", f"/CN={name}")


def _certificate(folder, name: str, subject: str, authority: str) -> None:
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    _openssl(folder, "req", *key, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", subject)
    (folder / f"{name}.ext").write_text("subjectAltName=IP:127.0.0.1\n")
    signed = ["-CA", f"{authority}.pem", "-CAkey", f"{authority}.key", "-CAcreateserial", "-extfile", f"{name}.ext"]
    _openssl(folder, "x509", "-req", "-in", f"{name}.csr", *signed, "-out", f"{name}.pem", "-days", "2")


@pytest.fixture(scope="module")
def papers(tmp_path_factory):
    """A city's authority and a stranger's, the server's certificate, and three devices'."""
    folder = tmp_path_factory.mktemp("papers")
    for authority in ("city", "stranger"):
        _authority(folder, authority)
    _certificate(folder, "server", "/CN=127.0.0.1", "city")
    _certificate(folder, "box", "/C=DE/O=City, of\\; Berlin/CN=box", "city")
    _certificate(folder, "nobody", "/CN=nobody", "city")
    _certificate(folder, "forged", "/C=DE/O=City, of\\; Berlin/CN=box", "stranger")
    return folder


@pytest.fixture(scope="module")
def server(papers, tmp_path_factory):
    tls = {"ca_certs": str(papers / "city.pem"), "certfile": str(papers / "server.pem")}
    with Server(tmp_path_factory.mktemp("tls"), tls={**tls, "keyfile": str(papers / "server.key")}) as running:
        running.url = running.url.replace("http:", "https:")
        with httpx.Client(base_url=running.url, verify=_trust(papers)) as admin:
            subject = {"device": "box", "subject": SUBJECT}
            answer = admin.post("/ingest/devices", json=subject, headers={"Authorization": f"Bearer {ADMIN}"})
            assert answer.status_code == 200, answer.text
        yield running


SUBJECT = r"CN=box,O=City\, of\; Berlin,C=DE"


def _trust(papers, name: str | None = None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(papers / "city.pem"))
    if name is not None:
        context.load_cert_chain(papers / f"{name}.pem", papers / f"{name}.key")
    return context


def _send(server, papers, name: str | None, stream: str = "s0", **headers: str) -> httpx.Response:
    body = arrow.encode_arrow([stream], np.array([time.time_ns() // 1_000_000]), np.array([20.0]))
    with httpx.Client(base_url=server.url, verify=_trust(papers, name)) as client:
        for _ in range(2):
            answer = client.post("/ingest", content=body, headers={"Content-Type": arrow.MEDIA_TYPE, **headers})
        return answer


def test_the_subject_is_written_as_openssl_writes_it(papers):
    """So that an administrator can copy it."""
    words = ["openssl", "x509", "-noout", "-subject", "-nameopt", "RFC2253", "-in", "box.pem"]
    said = subprocess.run(words, cwd=papers, check=True, capture_output=True, text=True).stdout
    assert said.strip() == f"subject={SUBJECT}"


@pytest.mark.parametrize(
    ("parts", "subject"),
    [
        ((), None),
        (((("commonName", " a#"),), (("serialNumber", "#1 "),)), r"serialNumber=\#1\ ,CN=\ a#"),
        (((("commonName", "a"), ("userId", "b+c")),), r"CN=a+UID=b\+c"),
    ],
)
def test_subjects_are_escaped_so_that_no_two_names_look_alike(parts, subject):
    assert subject_of({"subject": parts}) == subject
    assert subject_of(None) is None


def test_a_certificate_stands_for_its_device_over_http(server, papers):
    """Its own streams and no others, by the short way as well."""
    assert _send(server, papers, "box").json()["quarantined"] == 0
    assert _send(server, papers, "box", "other").json()["quarantined"] == 1


def test_without_certificate_or_with_an_unknown_one_a_token_is_needed(server, papers):
    assert _send(server, papers, None).status_code == 401
    assert _send(server, papers, "nobody").status_code == 401
    assert _send(server, papers, None, Authorization=f"Bearer {server.token}").status_code == 200
    assert _send(server, papers, "box", Authorization="Bearer wrong").status_code == 401


def test_a_certificate_of_another_authority_is_refused_before_anything_is_read(server, papers):
    with pytest.raises(httpx.TransportError):
        _send(server, papers, "forged")


def _over_mqtt(server, papers, name: str | None) -> tuple[list[int], list[int]]:
    """Connect and publish one reading; return the reasons of the answer and of the acknowledgement."""
    connected: list[int] = []
    acknowledged: list[int] = []
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv5)
    client.tls_set_context(_trust(papers, name))
    client.on_connect = lambda _c, _u, _f, reason, _p: connected.append(reason.value)
    client.on_publish = lambda _c, _u, _m, reason, _p: acknowledged.append(reason.value)
    client.connect("127.0.0.1", server.mqtt_port)
    client.loop_start()
    try:
        until(lambda: connected)
        if connected == [0]:
            client.publish("readings/s1", "23.5", qos=1)
            until(lambda: acknowledged)
    finally:
        client.disconnect()
        client.loop_stop()
    return connected, acknowledged


def test_a_certificate_stands_for_its_device_over_mqtt(server, papers):
    assert _over_mqtt(server, papers, "box") == ([0], [0])
    assert server.value("s1") == 23.5
    assert _over_mqtt(server, papers, "nobody")[0] == [0x87]
    assert _over_mqtt(server, papers, None)[0] == [0x87]


def test_devices_are_given_tokens_and_lose_them_by_an_administrator_alone(server, papers):
    """A token is shown once; the listing tells who has one, and no device may look or change."""
    with httpx.Client(base_url=server.url, verify=_trust(papers)) as client:
        admin = {"Authorization": f"Bearer {ADMIN}"}
        token = client.post("/ingest/devices", json={"device": "lamp"}, headers=admin).json()["token"]
        own = {"Authorization": f"Bearer {token}"}
        assert client.get("/ingest/counts", headers=own).status_code == 200
        assert client.get("/ingest/devices", headers=own).status_code == 403
        assert client.post("/ingest/devices", json={"device": "x"}, headers=own).status_code == 403
        listed = client.get("/ingest/devices", headers=admin).json()
        assert "lamp" in [row["device"] for row in listed["tokens"]]
        assert listed["subjects"] == {SUBJECT: "box"}
        assert token not in str(listed)
        assert client.post("/ingest/devices/revoke", json={"device": "lamp"}, headers=admin).json() == {"revoked": 1}
        assert client.get("/ingest/counts", headers=own).status_code == 401
        for body in (b"[]", b"{}", b'{"device":"a\\nb"}', b'{"subject":"CN=x"}', b'{"device":1}', b"{" * 100_000):
            assert client.post("/ingest/devices", content=body, headers=admin).status_code == 400
        assert client.post("/ingest/devices/revoke", json={}, headers=admin).status_code == 400


@pytest.mark.parametrize(("over", "protocol"), [("http", "arrow"), ("mqtt", "csv"), ("mqtt", "mqtt")])
def test_simulated_sensors_speak_tls(server, papers, over, protocol):
    """To whom the authority that they are given vouches for, and to nobody else."""
    url = server.url if over == "http" else f"mqtts://127.0.0.1:{server.mqtt_port}"
    words = ["--url", url, "--http", server.url, "--protocol", protocol, "--token", ADMIN, "--qos", "1", "--register"]
    words += ["--count", "4", "--rate", "5", "--duration", "1", "--prefix", f"tls-{over}-{protocol}-", "--json"]
    done = CliRunner().invoke(command, [*words, "--ca-file", str(papers / "city.pem")], catch_exceptions=False)
    assert json.loads(done.output.splitlines()[-1])["acknowledged"] == 20
    refused = CliRunner().invoke(command, [*words, "--ca-file", str(papers / "stranger.pem")])
    assert refused.exit_code != 0
    assert "certificate" in str(refused.exception)
