"""Tokens of devices and subjects of certificates in the metadata database."""

from __future__ import annotations

from dataclasses import dataclass

from cityloop.storage.metadata import Metadata

__all__ = ["DeviceTokenRow", "DeviceTokenRows"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceTokenRow:
    """A token as it is kept."""

    token_id: str
    device: str
    digest: bytes
    made_ms: int


class DeviceTokenRows:
    """Keeps tokens. What is added or removed is durable when the call returns."""

    def __init__(self, metadata: Metadata) -> None:
        self._metadata = metadata
        with metadata.read() as connection:
            rows = list(connection.execute("SELECT token_id, device, digest, made_ms FROM device_tokens"))
            self._subjects = dict(connection.execute("SELECT subject, device FROM device_subjects"))
        self._rows = {
            token_id: DeviceTokenRow(token_id=token_id, device=device, digest=bytes(digest), made_ms=made_ms)
            for token_id, device, digest, made_ms in rows
        }

    def add(self, token_id: str, device: str, digest: bytes, made_ms: int) -> None:
        """Keep a token."""
        row = DeviceTokenRow(token_id=token_id, device=device, digest=digest, made_ms=made_ms)
        values = {"token_id": row.token_id, "device": row.device, "digest": row.digest, "made_ms": row.made_ms}
        self._metadata.write(lambda transaction: transaction.insert("device_tokens", values)).result()
        self._rows[row.token_id] = row

    def find(self, token_id: str) -> DeviceTokenRow | None:
        """Return a token by its public part."""
        return self._rows.get(token_id)

    def remove(self, device: str) -> int:
        """Forget all tokens of a device."""
        gone = [token_id for token_id, row in self._rows.items() if row.device == device]
        self._metadata.write(
            lambda transaction: transaction.execute("DELETE FROM device_tokens WHERE device = ?", (device,))
        ).result()
        for token_id in gone:
            self._rows.pop(token_id, None)
        return len(gone)

    def tokens(self) -> list[DeviceTokenRow]:
        """Return all tokens."""
        return sorted(self._rows.values(), key=lambda row: (row.device, row.made_ms))

    def set_subject(self, subject: str, device: str) -> None:
        """Let a subject stand for a device; an empty device takes it back."""
        if device:
            statement, values = "INSERT OR REPLACE INTO device_subjects VALUES (?, ?)", (subject, device)
        else:
            statement, values = "DELETE FROM device_subjects WHERE subject = ? AND ? = ''", (subject, device)
        self._metadata.write(lambda transaction: transaction.execute(statement, values)).result()
        if device:
            self._subjects[subject] = device
        else:
            self._subjects.pop(subject, None)

    def device_of_subject(self, subject: str) -> str | None:
        """Return the device that a subject stands for."""
        return self._subjects.get(subject)

    def subjects(self) -> dict[str, str]:
        """Return the device of every subject."""
        return dict(self._subjects)
