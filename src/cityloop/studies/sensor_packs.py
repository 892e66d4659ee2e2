"""Packs of readings as request bodies, built once and filled in place as far as the protocol allows."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np

from cityloop.kernel.columns import F64, I32, I64
from cityloop.wire import arrow, reading_csv, senml

__all__ = ["ArrowBody", "csv_body", "data_array_body", "senml_body", "senml_cbor_body"]


class ArrowBody:
    """An Arrow IPC stream of fixed shape, whose instants and values are overwritten."""

    def __init__(self, streams: I32 | list[str]) -> None:
        count = len(streams)
        # Numbers that stand nowhere else, to find the two buffers by.
        instants = np.arange(count, dtype=np.int64) + 0x5A5A_1234_0000_0000
        values = np.arange(count, dtype=np.int64) + 0x3A5A_4321_0000_0000
        self._body = bytearray(arrow.encode_arrow(streams, instants, values.view(np.float64)))
        self._instants = self._window(instants)
        self._values = self._window(values).view(np.float64)

    def fill(self, observed_at_ms: I64, value: F64) -> bytes:
        """Return the body with these readings."""
        self._instants[:] = observed_at_ms
        self._values[:] = value
        return bytes(self._body)

    def _window(self, numbers: I64) -> I64:
        begin = self._body.find(numbers.tobytes())
        assert begin >= 0
        return np.frombuffer(memoryview(self._body)[begin : begin + numbers.nbytes], np.int64)


def senml_body(names: Sequence[str], observed_at_ms: I64, value: F64) -> bytes:
    """Return a SenML pack; a value that is no number is left out, as JSON cannot say it."""
    sound = np.flatnonzero(np.isfinite(value)).tolist()
    return senml.encode_senml_json([names[row] for row in sound], observed_at_ms[sound].tolist(), value[sound].tolist())


def senml_cbor_body(names: Sequence[str], observed_at_ms: I64, value: F64) -> bytes:
    """Return a SenML pack in CBOR, which can say that a value is no number."""
    return senml.encode_senml_cbor(names, observed_at_ms.tolist(), value.tolist())


def csv_body(names: Sequence[str], observed_at_ms: I64, value: F64) -> bytes:
    """Return a CSV file."""
    return reading_csv.encode_csv(names, observed_at_ms.tolist(), value.tolist())


def data_array_body(rows: Sequence[int], observed_at_ms: I64, value: F64) -> bytes:
    """Return a SensorThings CreateObservations body of one row a datastream: the costliest form there is."""
    instants = np.char.add(np.datetime_as_string(observed_at_ms.astype("datetime64[ms]")), "Z").tolist()
    return msgspec.json.encode(
        [
            {
                "Datastream": {"@iot.id": row},
                "components": ["phenomenonTime", "result"],
                "dataArray@iot.count": 1,
                "dataArray": [[instant, result]],
            }
            for row, instant, result in zip(rows, instants, value.tolist(), strict=True)
        ]
    )
