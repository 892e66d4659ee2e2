"""``cityloop simulate-sensors`` as a user runs it, over every protocol, against a real server of sensing."""

from __future__ import annotations

import json

import numpy as np
import pytest
from click.testing import CliRunner
from sensing_server import ADMIN

from cityloop.cli.simulate_sensors import command

OVER_HTTP = ("arrow", "senml", "senml-cbor", "csv", "ttn", "chirpstack", "gtfs-realtime", "nmea", "hires")
OVER_MQTT = ("mqtt", "arrow", "senml", "senml-cbor", "csv", "ttn", "chirpstack", "gtfs-realtime", "sparkplug")


def simulate(server, protocol: str, *more: str, over: str = "http", count: int = 20) -> dict[str, object]:
    """Run the command and return what it told."""
    url = server.url if over == "http" else f"mqtt://127.0.0.1:{server.mqtt_port}"
    words = ["--url", url, "--protocol", protocol, "--token", ADMIN, "--count", str(count), "--pack", "8", "--json"]
    words += ["--http", server.url, "--register", "--rate", "5", "--duration", "1", "--connections", "3"]
    outcome = CliRunner().invoke(command, [*words, *more], catch_exceptions=False)
    assert outcome.exit_code == 0, outcome.output
    told: dict[str, object] = json.loads(outcome.output.splitlines()[-1])
    return told


def kept(server, *names: str) -> list[float]:
    """Return every value of some streams."""
    rows = np.array([server.opened.streams.row_of(name) for name in names], np.int32)
    return server.opened.readings.history(rows, 0, 2**62).value.tolist()


def streams(protocol: str, over: str, number: int) -> list[str]:
    """Return which streams a sensor's readings are in, as docs/sensing.md tells."""
    sensor = f"{protocol}-{over}-{number:06d}"
    after = {
        "ttn": ["/value", "/rssi_dbm", "/snr_db"],
        "chirpstack": ["/value", "/rssi_dbm", "/snr_db"],
        "gtfs-realtime": ["/lat_deg", "/lon_deg"],
        "nmea": ["/lat_deg", "/lon_deg"],
        "hires": ["/detector/1"],
    }
    before = f"city/gateway-{number // 8}/" if protocol == "sparkplug" else ""
    return [f"{before}{sensor}{leaf}" for leaf in after.get(protocol, [""])]


@pytest.mark.parametrize(
    ("over", "protocol"), [*(("http", one) for one in OVER_HTTP), *(("mqtt", one) for one in OVER_MQTT)]
)
def test_every_protocol_brings_its_readings_into_the_store(server, over, protocol):
    """All that is sent is acknowledged, and each of five rounds is in the history of every stream."""
    more = ["--prefix", f"{protocol}-{over}-", "--qos", "1"]
    told = simulate(server, protocol, *more, over=over)
    assert (told["sent"], told["acknowledged"], told["failed"]) == (100, 100, 0)
    for number in (0, 19):
        for name in streams(protocol, over, number):
            # Feeds and event logs may say one thing twice: an instant of whole seconds, a value that stays.
            assert 1 <= len(kept(server, name)) <= 5, name
    if protocol not in ("gtfs-realtime", "hires"):
        assert len(kept(server, streams(protocol, over, 7)[0])) == 5


def test_faulty_sensors_are_found_whatever_they_speak(server):
    """What is out of range, no number or of another time is held against the sensors, in each protocol."""
    for protocol in OVER_HTTP:
        before = server.opened.inbox.watch.counts.sum()
        more = ["--prefix", f"spoilt-{protocol}-", "--faults", "1", "--seed", "3"]
        told = simulate(server, protocol, *more, count=40)
        # Who is silent has not begun to be so; what is set aside is answered for.
        assert told["sent"] == 200
        assert told["failed"] == 0
        assert server.opened.inbox.watch.counts.sum() >= before + 40, protocol


def test_series_of_real_sensors_are_told_again(server, tmp_path):
    """A column a sensor: values come back in their order, from somewhere on, and none is out of range."""
    file = tmp_path / "counts.csv"
    rising, falling = np.arange(50) + 2000.5, 900.25 - np.arange(50)
    lines = [f"2026-01-01,{up},{down}" for up, down in zip(rising, falling, strict=True)]
    file.write_text("day,market,bridge\n" + "\n".join(lines) + "\n")
    for over, protocol in (("http", "arrow"), ("mqtt", "mqtt")):
        simulate(server, protocol, "--series", str(file), "--prefix", f"real-{over}-", "--qos", "1", over=over)
        for number, values in enumerate((rising.tolist(), falling.tolist())):
            said = {values.index(value) for value in kept(server, f"real-{over}-{number:06d}")}
            assert said in [{(begin + step) % 50 for step in range(5)} for begin in range(50)]


def test_detectors_of_a_twin_are_told_again(server):
    """What the toy city's detectors said in a minute is what the sensors say."""
    told = simulate(server, "arrow", "--twin", "toy", "--twin-seconds", "60", "--prefix", "twin-")
    assert told["acknowledged"] == 100
    said = [value for number in range(20) for value in kept(server, f"twin-{number:06d}")]
    # A sender that fell behind may say one count twice in a millisecond, which is one reading.
    assert 20 <= len(said) <= 100
    assert len(set(said)) > 1


@pytest.mark.parametrize(
    ("protocol", "over", "more", "told"),
    [
        ("nmea", "mqtt", [], "must be http://HOST:PORT for nmea"),
        ("sparkplug", "http", [], "must be mqtt://HOST:PORT for sparkplug"),
        ("arrow", "http", ["--series", "missing.csv"], "does not exist"),
        ("arrow", "http", ["--twin", "toy", "--series", "."], "not both"),
        ("sta", "mqtt", ["--http", ""], "give --http http://HOST:PORT"),
        ("arrow", "http", ["--url", "ftp://there"], "must be one of http://HOST:PORT"),
    ],
)
def test_what_cannot_be_sent_is_told(server, protocol, over, more, told):
    """One line names what is wrong."""
    url = server.url if over == "http" else f"mqtt://127.0.0.1:{server.mqtt_port}"
    outcome = CliRunner().invoke(command, ["--url", url, "--protocol", protocol, *more])
    assert outcome.exit_code != 0
    assert told in outcome.output + str(outcome.exception)
