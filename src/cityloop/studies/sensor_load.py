"""What a load of readings did: how many were sent, acknowledged and refused, and how long that took."""

from __future__ import annotations

import resource
import ssl
import time
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np

from cityloop.kernel.errors import ConfigError

__all__ = ["LoadCount", "LoadParams", "LoadReport"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadParams:
    """How a load is sent."""

    url: str
    """http://HOST:PORT or mqtt://HOST:PORT; https and mqtts with TLS."""

    protocol: str = "arrow"
    rate_hz: float = 1.0
    """Readings of each sensor a second."""

    duration_s: float = 10.0
    connections: int = 8
    pack: int = 1000
    qos: int = 0
    token: str = ""
    http_url: str = ""
    """Where streams are registered and looked up when readings go over MQTT."""
    ca_file: Path | None = None
    """Certificate of the authority that the server's is checked by; None: the system's."""
    device: str = ""
    """Over HTTP each connection speaks for a device of its own, of this name and a number; empty: for the token's."""

    def __post_init__(self) -> None:
        """Refuse what cannot be reached."""
        for url, schemes in ((self.url, ("http", "https", "mqtt", "mqtts")), (self.http_url, ("", "http", "https"))):
            parts = urlsplit(url)
            if parts.scheme not in schemes or (parts.scheme and not parts.hostname):
                known = ", ".join(f"{scheme}://HOST:PORT" for scheme in schemes if scheme)
                raise ConfigError(f"url is {url!r}, must be one of {known}")

    @property
    def over_mqtt(self) -> bool:
        """Whether readings go over MQTT."""
        return self.url.startswith("mqtt")

    @property
    def asked_url(self) -> str:
        """Where streams are registered and looked up; empty where nobody said."""
        return self.http_url or ("" if self.over_mqtt else self.url)

    def tls(self, url: str) -> ssl.SSLContext | None:
        """Return how a server's certificate is checked; None without TLS."""
        if urlsplit(url).scheme not in ("https", "mqtts"):
            return None
        try:
            return ssl.create_default_context(cafile=self.ca_file)
        except OSError as error:
            raise ConfigError(f"{self.ca_file}: no certificate of an authority ({error})") from error


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadReport:
    """What a load did."""

    sent: int
    acknowledged: int
    refused: int
    """Readings that the server said it does not take now."""
    failed: int
    """Readings whose request failed otherwise, or whose connection broke."""
    blocked: int
    """Readings that could not be sent because the server made the sender wait."""
    wall_s: float
    client_cpu_s: float
    rate_per_s: float
    """Readings sent a second."""
    ack_ms: dict[str, float]
    """Percentiles of the time from sending to acknowledgement."""
    behind_s: float
    """How far the sender fell behind its own timetable at worst: above a second the load was not what was asked."""


@dataclass(slots=True)
class LoadCount:
    """Counts of a load while it runs."""

    sent: int = 0
    acknowledged: int = 0
    refused: int = 0
    failed: int = 0
    blocked: int = 0
    behind_s: float = 0.0
    ack_s: list[float] = field(default_factory=list)
    began_s: float = field(default_factory=time.perf_counter)
    began_cpu_s: float = field(default_factory=lambda: _cpu_s())

    def report(self) -> LoadReport:
        """Return the outcome."""
        wall_s = time.perf_counter() - self.began_s
        waits = np.array(self.ack_s) * 1000
        told = (
            {f"p{share:g}": round(float(np.percentile(waits, share)), 2) for share in (50, 90, 99, 99.9)}
            if len(waits)
            else {}
        )
        return LoadReport(
            sent=self.sent,
            acknowledged=self.acknowledged,
            refused=self.refused,
            failed=self.failed,
            blocked=self.blocked,
            wall_s=round(wall_s, 3),
            client_cpu_s=round(_cpu_s() - self.began_cpu_s, 3),
            rate_per_s=round(self.sent / wall_s, 1),
            ack_ms=told,
            behind_s=round(self.behind_s, 3),
        )


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime
