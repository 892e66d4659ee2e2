"""The refuse domain, gathered into one value: it asks for containers to be emptied, day by day."""

from __future__ import annotations

from cityloop.domains.refuse import live
from cityloop.domains.refuse.container_guard import check
from cityloop.domains.refuse.decide import daily
from cityloop.domains.refuse.forecast import Outlook
from cityloop.domains.refuse.live import LiveState
from cityloop.domains.refuse.schema import DOMAIN
from cityloop.kernel.domain import Domain

__all__ = ["refuse"]

refuse: Domain[LiveState, Outlook | None] = Domain(
    name=DOMAIN,
    start=live.start,
    update=live.update,
    predict=live.predict,
    policies={"brain": daily.propose},
    check=check,
    accept=live.accept,
    view=live.view,
    lease_s=86_400.0,
)
