"""The durable store of readings: a synced log, sealed Parquet segments sorted by stream and time, and roll-ups."""

from cityloop.storage.readings.params import StoreParams
from cityloop.storage.readings.retention import DEFAULT_RETENTION, Keep
from cityloop.storage.readings.store import ReadingsStore

__all__ = ["DEFAULT_RETENTION", "Keep", "ReadingsStore", "StoreParams"]
