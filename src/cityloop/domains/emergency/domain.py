"""The emergency domain, gathered into one value: who goes to which call, and where the others stand meanwhile."""

from __future__ import annotations

from cityloop.domains.emergency import live
from cityloop.domains.emergency.decide import as_is, brain, dmexclp, naive, status_plan
from cityloop.domains.emergency.forecast import Coverage
from cityloop.domains.emergency.live import LiveState, heeding
from cityloop.domains.emergency.publish import view
from cityloop.domains.emergency.schema import DOMAIN
from cityloop.kernel.domain import Domain

__all__ = ["emergency"]

emergency: Domain[LiveState, Coverage] = Domain(
    name=DOMAIN,
    start=live.start,
    update=live.update,
    predict=live.predict,
    policies={
        "naive": heeding(naive.propose),
        "as-is": heeding(as_is.propose),
        "status-plan": heeding(status_plan.propose),
        "dmexclp": heeding(dmexclp.propose),
        "brain": heeding(brain.propose),
    },
    check=live.check,
    accept=live.accept,
    view=view,
    requests=live.requests,
    lease_s=60.0,
)
