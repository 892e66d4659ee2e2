"""The refuse domain, gathered into one value: which containers, by which routes, and what a breakdown changes."""

from __future__ import annotations

from cityloop.domains.refuse import live
from cityloop.domains.refuse.container_guard import check
from cityloop.domains.refuse.decide import daily, fixed_days
from cityloop.domains.refuse.decide.rounds import with_routes
from cityloop.domains.refuse.forecast import Outlook
from cityloop.domains.refuse.live import LiveState
from cityloop.domains.refuse.publish import view
from cityloop.domains.refuse.schema import DOMAIN
from cityloop.kernel.domain import Domain

__all__ = ["refuse"]

refuse: Domain[LiveState, Outlook | None] = Domain(
    name=DOMAIN,
    start=live.start,
    update=live.update,
    predict=live.predict,
    policies={"brain": with_routes(daily.propose), "fixed": with_routes(fixed_days.propose)},
    check=check,
    accept=live.accept,
    view=view,
    lease_s=86_400.0,
)
