"""``CreateObservations``: many observations in one body, by columns where they are plain (18-088, clause 13.2)."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import numpy as np
import orjson

from cityloop.kernel.columns import BOOL, I64
from cityloop.kernel.errors import InputError
from cityloop.sensing.access import Principal
from cityloop.sensing.sensorthings.errors import Forbidden, Reply, error_reply
from cityloop.sensing.sensorthings.gate import Outcome
from cityloop.sensing.sensorthings.ports import Change, EntityWork
from cityloop.sensing.sensorthings.service import Request, SensorThings
from cityloop.sensing.sensorthings.writing import decode_json
from cityloop.wire.odata import ODataError
from cityloop.wire.sensorthings.data_array import ArrayRow, PlainRows, decode_plain, decode_rows
from cityloop.wire.sensorthings.entities import Reference, decode_entity
from cityloop.wire.sensorthings.model import ENTITIES
from cityloop.wire.sensorthings.rendering import self_link

__all__ = ["create_observations", "submit_plain"]

_OBSERVATION = ENTITIES["Observation"]


async def create_observations(service: SensorThings, request: Request) -> Reply:
    """Create observations; the reply lists each one's address, or ``error``, in the order they came."""
    try:
        try:
            plain = decode_plain(request.body)
        except ODataError:
            # One row is at fault: looked at singly, the others are kept.
            plain = None
        if plain is not None:
            ids = await submit_plain(service, plain, request.principal)
            if ids is not None:
                return Reply(201, _listed(ids, request.base), {"content-type": "application/json;charset=utf-8"})
        return await _singly(service, request)
    except Exception as error:
        return error_reply(error)


async def submit_plain(service: SensorThings, rows: PlainRows, principal: Principal) -> list[str] | None:
    """Log plain rows; return their ids, empty for a row that was refused.

    Returns None, with nothing done, where some Datastream cannot take its rows plain.
    """
    streams = service.store.streams
    there = streams.all_exist(rows.stream)
    stream = np.where(there, rows.stream, 0)
    if not principal.may_write:
        if not principal.device:
            raise Forbidden(f"{principal.name} may read only")
        service.gate.check_owner(np.unique(stream[there]).tolist(), principal.device)
    if not await _open_spans(service, stream, there, rows.has_result_time):
        return None
    observed = rows.observed_ms if len(rows.observed_ms) else np.full(len(stream), service.now_ms(), np.int64)
    if there.all():
        outcome = await service.gate.submit(stream.astype(np.int32), observed, rows.value, principal.device)
        return outcome.ids
    some = np.flatnonzero(there)
    ids = [""] * len(stream)
    if len(some):
        outcome = await service.gate.submit(
            stream[some].astype(np.int32), observed[some], rows.value[some], principal.device
        )
        for at, identity in zip(some.tolist(), outcome.ids, strict=True):
            ids[at] = identity
    return ids


async def _open_spans(service: SensorThings, stream: I64, there: BOOL, has_result_time: bool) -> bool:
    known, _feature, same_time = service.store.streams.plain(stream)
    unfit = np.unique(stream[there & ~(known & (same_time == has_result_time))]).tolist()
    if not unfit:
        return True

    def run(work: EntityWork) -> tuple[bool, Sequence[Change]]:
        return all(work.open_spans(unfit, same_time=has_result_time)), work.changes

    fit, changes = await asyncio.wrap_future(service.store.write(run))
    service.tell(changes)
    return fit


async def _singly(service: SensorThings, request: Request) -> Reply:
    rows = list(decode_rows(decode_json(request.body)))
    principal = request.principal

    def run(work: EntityWork) -> tuple[list[str], Sequence[Change]]:
        made = [_create(service, work, row, principal) for row in rows]
        observed = work.observed
        outcome = service.gate.submit_and_wait(observed, principal.device) if observed else Outcome([], {})
        ids = [outcome.ids[place] if place is not None else str(identity or "") for identity, place in made]
        return ids, work.changes

    ids, changes = await asyncio.wrap_future(service.store.write(run))
    service.tell(changes)
    return Reply(201, _listed(ids, request.base), {"content-type": "application/json;charset=utf-8"})


def _create(
    service: SensorThings, work: EntityWork, row: ArrayRow, principal: Principal
) -> tuple[int | str | None, int | None]:
    if row.entity is None:
        return None, None
    try:
        new = decode_entity(_OBSERVATION, row.entity)
        owners = [item.id for item in new.links.get("Datastream", ()) if isinstance(item, Reference)]
        named = [int(owner) for owner in owners if isinstance(owner, int) or owner.isdecimal()]
        service.check(principal, "POST", new, named)
        return work.create(new)
    except Forbidden:
        raise
    except InputError:
        # The standard has one word for it; what was wrong is told when the row is sent by itself.
        return None, None


def _listed(ids: list[str], base: str) -> bytes:
    if all(ids):
        # Ids of readings are digits and dashes: nothing in them needs escaping.
        before, after = f"\"{base}/Observations('", "')\""
        return f"[{before}{f'{after},{before}'.join(ids)}{after}]".encode()
    return orjson.dumps([self_link(base, _OBSERVATION, identity) if identity else "error" for identity in ids])
