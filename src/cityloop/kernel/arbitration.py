"""Who is heard when several ask for the same target.

One proposal a target survives: the one that serves the greatest priority, the earlier one on a tie. Expired requests
and requests not yet due are dropped here, so that no policy has to remember to.
"""

from __future__ import annotations

from collections.abc import Sequence

from cityloop.kernel.messages import Proposal, Request

__all__ = ["due_requests", "one_per_target"]


def due_requests(requests: Sequence[Request], domain: str, now_ms: int) -> tuple[Request, ...]:
    """Return the live requests to a domain, greatest priority first, then earliest expiry, then target and sender."""
    live = [r for r in requests if r.domain == domain and r.not_before_ms <= now_ms < r.expires_at_ms]
    return tuple(sorted(live, key=lambda r: (-r.priority, r.expires_at_ms, r.target, r.sender)))


def one_per_target(proposals: Sequence[Proposal]) -> tuple[Proposal, ...]:
    """Keep the first proposal of every target, in the order given (a policy lists its strongest first)."""
    seen: set[int] = set()
    kept: list[Proposal] = []
    for proposal in proposals:
        if proposal.target not in seen:
            seen.add(proposal.target)
            kept.append(proposal)
    return tuple(kept)
