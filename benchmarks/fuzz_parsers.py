"""Throw spoilt and random bytes at every parser of the wire for minutes, and print each way in which one fails.

    python benchmarks/fuzz_parsers.py --seconds 300
    python benchmarks/fuzz_parsers.py --parser arrow --seconds 60 --seed 7

A parser may read what it gets or refuse it with an error of ours that fits one line, within a second. Anything else is
printed with the input that did it, as hexadecimal, and ends in exit code 1. With atheris installed (in an environment
of its own, with this project's on its path), ``--atheris NAME`` hands one parser to it, which follows what the code
does with the bytes; without it inputs are changed blindly.
The parsers and their sound messages are those of the property tests.
"""

from __future__ import annotations

import argparse
import importlib.util
import random
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path

from cityloop.kernel.errors import CityloopError

TESTS = Path(__file__).parents[1] / "tests" / "property"
SLOW_S = 1.0
MOST_BYTES = 4096
COMPILED = ("cityloop.wire.blocks", "cityloop.wire.mqtt.split", "cityloop.wire.scan", "cityloop.wire.unpacked")

Parse = Callable[[bytes], object]
JUNK = (
    b"1e999", b"NaN", b"-Infinity", b"9" * 500, b"[" * 300, b'{"a":' * 100, b"\0", b"\xff\xff\xff\xff", b"\x80",
    b"\r\n", b"\xf0\x9f\x9a\xa6", b'"', b"\\u0000", b"1970-01-01T00:00:00Z", b"2262-04-11T23:47:16.854Z",
    b"-9223372036854775808",
)  # fmt: skip

THING = (
    b'{"name":"a","description":"b","Locations":[{"name":"l","description":"","encodingType":"application/geo+json",'
    b'"location":{"type":"Point","coordinates":[13.4,52.5]}}],"Datastreams":[{"@iot.id":1}],"properties":{"x":[1]}}'
)
OBSERVATION = (
    b'{"phenomenonTime":"2026-01-01T00:00:00Z/2026-01-01T01:00:00Z","result":1.5,"resultTime":"2026-01-01T01:00:00Z",'
    b'"validTime":"2026-01-01T00:00:00Z/2026-01-02T00:00:00Z","parameters":{"a":null},"Datastream":{"@iot.id":3}}'
)
AREA = b'{"type":"Polygon","coordinates":[[[0,0],[4,0],[4,4],[0,0]],[[1,1],[2,1],[2,2],[1,1]]]}'
ROWS = (
    b'[{"Datastream":{"@iot.id":1},"components":["phenomenonTime","result"],"dataArray@iot.count":1,'
    b'"dataArray":[["2026-01-01T00:00:00Z",1.5]]}]'
)
PATCH = (
    b'[{"op":"replace","path":"/properties/x/0","value":2},{"op":"add","path":"/properties/y","value":{}},'
    b'{"op":"move","from":"/name","path":"/properties/n"},{"op":"test","path":"/properties/y","value":{}}]'
)
EIDO = b'{"$id":"a","incidentComponent":{"$id":"b","incidentTypeCommonRegistryText":"x"}}'
CAP = (
    b'<alert xmlns="urn:oasis:names:tc:emergency:cap:1.2"><identifier>a</identifier><sender>b</sender>'
    b"<sent>2026-01-01T00:00:00+00:00</sent><status>Actual</status><msgType>Alert</msgType><scope>Public</scope>"
    b"<info><category>Fire</category><event>x</event><urgency>Immediate</urgency><severity>Severe</severity>"
    b"<certainty>Observed</certainty><area><areaDesc>c</areaDesc><circle>52.5,13.4 0.1</circle></area></info></alert>"
)


def parsers() -> dict[str, tuple[Parse, bytes]]:
    """Return each parser with a sound message, as the property tests name them."""
    wire, others = _module("test_wire_fuzz"), _module("test_parsers_property")
    found = {name: (parse, wire.SEEDS[name]) for name, parse in wire.DECODERS.items()}
    found.update(others.BYTE_PARSERS)
    for name, (parse, sound) in others.TEXT_PARSERS.items():
        found[name] = (_of_text(parse), sound.encode())
    return found | bodies()


def bodies() -> dict[str, tuple[Parse, bytes]]:
    """Return the parsers of whole bodies that property tests give values to instead of bytes."""
    from cityloop.sensing.sensorthings.writing import decode_json
    from cityloop.wire.calls import decode_call, encode_call
    from cityloop.wire.cap_alert import decode_cap
    from cityloop.wire.eido import decode_eido
    from cityloop.wire.json_patch import apply_patch
    from cityloop.wire.multipart import parse_request, split_parts
    from cityloop.wire.odata.geometry import geometry_of_geojson, geometry_of_wkt
    from cityloop.wire.sensorthings.data_array import decode_rows
    from cityloop.wire.sensorthings.entities import decode_entity
    from cityloop.wire.sensorthings.model import ENTITIES

    patched = {"name": "a", "properties": {"x": [1]}}
    return {
        "body: entity": (lambda data: decode_entity(ENTITIES["Thing"], decode_json(data)), THING),
        "body: observation": (lambda data: decode_entity(ENTITIES["Observation"], decode_json(data)), OBSERVATION),
        "body: geojson": (lambda data: geometry_of_geojson(decode_json(data)), AREA),
        "body: wkt": (_of_text(geometry_of_wkt), b"POLYGON ((0 0, 4 0, 4 4, 0 0), (1 1, 2 1, 2 2, 1 1))"),
        "body: data array": (lambda data: list(decode_rows(decode_json(data))), ROWS),
        "body: json patch": (lambda data: apply_patch(patched, decode_json(data)), PATCH),
        "body: multipart": (lambda data: split_parts(data, "b"), b"--b\r\nContent-Type: a/b\r\n\r\nGET /\r\n--b--\r\n"),
        "body: request": (parse_request, b"POST Things HTTP/1.1\r\nHost: a\r\nContent-ID: 1\r\n\r\n{}"),
        "body: call": (decode_call, encode_call(decode_eido(EIDO))),
        "body: eido": (
            decode_eido,
            b'{"$id":"a","incidentComponent":{"$id":"b","incidentTypeCommonRegistryText":"x"}}',
        ),
        "body: cap": (decode_cap, CAP),
    }


def _module(name: str):
    spec = importlib.util.spec_from_file_location(name, TESTS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _of_text(parse: Callable[[str], object]) -> Parse:
    return lambda data: parse(data.decode("utf-8", "replace"))


def changed(data: bytes, chance: random.Random) -> bytes:
    """Return a message with some pieces changed, cut out, doubled, moved or put in."""
    out = bytearray(data)
    for _ in range(chance.randint(1, 8)):
        at = chance.randint(0, len(out))
        size = chance.randint(1, 16)
        match chance.randint(0, 6):
            case 0 if out:
                out[at % len(out)] ^= 1 << chance.randint(0, 7)
            case 1 if out:
                out[at % len(out)] = chance.randint(0, 255)
            case 2:
                del out[at : at + size]
            case 3:
                out[at:at] = chance.choice(JUNK)
            case 4:
                out[at:at] = out[at : at + size] * chance.randint(1, 20)
            case 5:
                out[at : at + size] = chance.randbytes(size)
            case _:
                begin = chance.randint(0, len(out))
                out[at:at] = out[begin : begin + size]
    return bytes(out[:MOST_BYTES])


def failure(parse: Parse, data: bytes) -> str:
    """Return what is wrong with how a parser takes bytes; empty when nothing is."""
    began_s = time.process_time()
    try:
        parse(data)
    except CityloopError as error:
        if "\n" in str(error):
            return f"a refusal of several lines: {error!s:.200}"
    except Exception:
        return traceback.format_exc(limit=-4)
    took_s = time.process_time() - began_s
    return f"took {took_s:.1f} s of processor time" if took_s > SLOW_S else ""


def fuzz(name: str, parse: Parse, sound: bytes, seconds: float, chance: random.Random) -> int:
    """Change messages blindly for so long; print each kind of failure once and return how many kinds there were."""
    try:
        parse(sound)
    except CityloopError as error:
        print(f"{name}: its message is refused, so that little of it is reached: {error}", flush=True)
    corpus, seen, runs = [sound], set(), 0
    until_s = time.process_time() + seconds
    while time.process_time() < until_s:
        data = (
            chance.randbytes(chance.randint(0, 80))
            if chance.random() < 0.03
            else changed(chance.choice(corpus), chance)
        )
        runs += 1
        why = failure(parse, data)
        if why and (kind := why.strip().splitlines()[-1][:80]) not in seen:
            seen.add(kind)
            print(f"{name}: {why}\n  input: {data.hex()}", flush=True)
        elif not why and len(corpus) < 64 and chance.random() < 0.001:
            # What was changed once and did no harm is changed further.
            corpus.append(data)
    print(f"{name}: {runs} inputs, {len(seen)} kinds of failure", flush=True)
    return len(seen)


def with_atheris(name: str, seconds: float, seed: int) -> None:
    """Hand a parser to atheris; it ends at the first failure, or after so many seconds."""
    import atheris

    # Compiled code cannot be followed, and code that is followed cannot be compiled.
    with atheris.instrument_imports(include=["cityloop.wire"], exclude=list(COMPILED)):
        parse, sound = parsers()[name]

    def once(data: bytes) -> None:
        why = failure(parse, data)
        if why:
            raise RuntimeError(why)

    with tempfile.TemporaryDirectory(prefix="cityloop-fuzz-") as folder:
        (Path(folder) / "sound").write_bytes(sound)
        options = [f"-max_total_time={seconds:.0f}", f"-seed={seed}", f"-max_len={MOST_BYTES}", "-timeout=60"]
        atheris.Setup([sys.argv[0], *options, folder], once)
        atheris.Fuzz()


def main() -> int:
    """Fuzz the parsers asked for; return the exit code."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--parser", action="append", default=[], help="one of them; may be repeated; all by default")
    options.add_argument("--seconds", type=float, default=300.0, help="processor time for all together")
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--atheris", metavar="NAME", help="hand this one to atheris until it fails")
    given = options.parse_args()
    if given.atheris:
        with_atheris(given.atheris, given.seconds, given.seed)
        return 0
    found = parsers()
    unknown = [name for name in given.parser if name not in found]
    if unknown:
        options.error(f"{unknown[0]!r} is none of {', '.join(sorted(found))}")
    names = given.parser or sorted(found)
    failures = sum(
        fuzz(name, *found[name], given.seconds / len(names), random.Random(f"{given.seed} {name}")) for name in names
    )
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
