"""Tests of how far the live feed runs ahead of whoever watches."""

from __future__ import annotations

import asyncio

import pytest

from cityloop.web.live_feed import Wish


async def _room(wish: Wish) -> bool:
    return await wish.room(0.01)


def test_a_client_that_never_says_what_it_got_is_sent_every_frame() -> None:
    """Nothing is held back from one that speaks an older protocol."""

    async def watch() -> None:
        wish = Wish()
        for number in range(1, 40):
            assert await _room(wish)
            wish.sent(number)

    asyncio.run(watch())


def test_a_client_that_falls_behind_is_sent_no_more_until_it_catches_up() -> None:
    """Four frames may be on their way; with one less there is room again."""

    async def watch() -> None:
        wish = Wish()
        wish.take('{"got": 0}')
        for number in (1, 2, 3, 4):
            assert await _room(wish)
            wish.sent(number)
        assert not await _room(wish)
        wish.take('{"got": 1}')
        assert await _room(wish)
        wish.sent(9)
        assert not await _room(wish)
        wish.take('{"got": 9}')
        assert await _room(wish)

    asyncio.run(watch())


@pytest.mark.parametrize("said", ['{"got": "all"}', '{"got": 1.5}', '{"got": null}', "[]", "nonsense"])
def test_what_cannot_be_read_changes_nothing(said: str) -> None:
    """A word that is no number of a frame leaves the client as it was."""
    wish = Wish()
    wish.take(said)
    for number in range(1, 10):
        wish.sent(number)
    assert asyncio.run(_room(wish))


def test_who_waits_is_woken_by_the_word_that_a_frame_came() -> None:
    """Not only when the time is up."""

    async def wait() -> bool:
        wish = Wish()
        wish.take('{"got": 0}')
        for number in (1, 2, 3, 4):
            wish.sent(number)
        waiting = asyncio.create_task(wish.room(60.0))
        await asyncio.sleep(0)
        wish.take('{"got": 4}')
        return await waiting

    assert asyncio.run(wait())
