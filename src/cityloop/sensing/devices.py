"""An administrator's desk for devices: give them tokens, take them back, let certificates stand for them."""

from __future__ import annotations

import asyncio

import msgspec

from cityloop.sensing.access import DeviceTokens
from cityloop.wire.named import WireError

__all__ = ["DeviceDesk"]


class _Asked(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    device: str = ""
    subject: str = ""


class DeviceDesk:
    """Answers what lies below ``/ingest/devices``."""

    def __init__(self, tokens: DeviceTokens) -> None:
        self._tokens = tokens

    def listed(self) -> object:
        """Return what is known of devices; no token can be told from it."""
        return {
            "tokens": [
                {"device": row.device, "token_id": row.token_id, "made_ms": row.made_ms}
                for row in self._tokens.listed()
            ],
            "subjects": dict(sorted(self._tokens.subjects().items())),
        }

    async def issue(self, body: bytes) -> object:
        """Give a device a token, or let a certificate's subject stand for it."""
        asked = _read(body)
        if not asked.device:
            raise WireError('name the device, such as {"device": "bin-17"}')
        if asked.subject:
            await asyncio.to_thread(self._tokens.trust_subject, asked.subject, asked.device)
            return {"device": asked.device, "subject": asked.subject}
        return {"device": asked.device, "token": await asyncio.to_thread(self._tokens.issue, asked.device)}

    async def revoke(self, body: bytes) -> object:
        """Take back all tokens of a device, or what a subject stands for."""
        asked = _read(body)
        if bool(asked.device) is bool(asked.subject):
            raise WireError("give either a device, whose tokens are taken back, or a subject")
        if asked.subject:
            known = asked.subject in self._tokens.subjects()
            await asyncio.to_thread(self._tokens.trust_subject, asked.subject, "")
            return {"revoked": int(known)}
        return {"revoked": await asyncio.to_thread(self._tokens.revoke, asked.device)}


def _read(body: bytes) -> _Asked:
    try:
        return msgspec.json.decode(body, type=_Asked)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise WireError(f"give a JSON object with device or subject: {error}") from error
