"""The service that these tests speak to."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[3] / "support"))

from sensorthings_service import bin_stream, client, observe, service

__all__ = ["bin_stream", "client", "observe", "service"]
