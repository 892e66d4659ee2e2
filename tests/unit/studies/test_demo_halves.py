"""What the demo's page may say of its two halves, and how two runs keep the same second."""

from __future__ import annotations

import queue
import threading

import pytest

from cityloop.studies.demo import DemoSpec
from cityloop.studies.demo_halves import HalvesTold, difference_so_far
from cityloop.studies.demo_run import DemoTick
from cityloop.studies.demo_stage import InStep


def test_ten_minutes_must_be_over() -> None:
    """Nineteen half minutes are too few, however far the halves are apart."""
    told = difference_so_far([50.0] * 19, [10.0] * 19)
    assert (told["verdict"], told["why"], told["after_s"]) == ("too early", "young", 570.0)
    assert told["delay_s"] == -40.0


@pytest.mark.parametrize(("right", "verdict", "share"), [(30.0, "less", -0.25), (50.0, "more", 0.25)])
def test_a_half_that_was_ahead_for_five_minutes_is_named(right: float, verdict: str, share: float) -> None:
    """After ten minutes it is said who lost less, and how much; by a share of the left half's delay."""
    told = difference_so_far([40.0] * 20, [right] * 20)
    assert (told["verdict"], told["why"], told["share"]) == (verdict, "", share)


def test_a_lead_that_changed_hands_lately_is_none() -> None:
    """One half minute of the last ten the other way round, or even, and it is too early to tell."""
    left = [40.0] * 24
    for odd in (41.0, 40.0):
        right = [30.0] * 24
        right[16] = odd
        assert difference_so_far(left, right)["why"] == "changing"
        right[13], right[16] = odd, 30.0
        assert difference_so_far(left, right)["verdict"] == "less"


def test_halves_are_compared_at_the_same_instants() -> None:
    """Where one run is further, what it did since is left out."""
    told = difference_so_far([40.0] * 20 + [400.0] * 5, [30.0] * 20)
    assert (told["left_s"], told["after_s"]) == (40.0, 600.0)


def test_nothing_yet_is_no_number() -> None:
    """Before the first half minute there is nothing to compare."""
    assert difference_so_far([], [1.0])["delay_s"] is None


def tick(arm: str, seed: int, marks: tuple[float, ...] = ()) -> DemoTick:
    return DemoTick(
        arm=arm, seed=seed, now_s=60.0, end_s=240.0, vehicles=3, standing=1, delay_s=2.0, marks_s=marks,
        modes=(1, 2, 0), unplugged=False, decisions=5,
    )  # fmt: skip


def test_a_new_seed_forgets_the_one_before(tmp_path) -> None:
    """Numbers of two seeds never stand side by side."""
    told = HalvesTold(DemoSpec(out=tmp_path, seeds=(1, 2), minutes=4))
    assert told.told()["state"] == "starting"
    told.tick(tick("fixed-tuned", 1, (3.0,)))
    told.tick(tick("brain", 1, (2.0, 2.5)))
    now = told.told()
    assert (now["state"], now["difference"]["delay_s"], now["halves"]["right"]["led"]) == ("running", -1.0, 2)
    told.tick(tick("brain", 2))
    now = told.told()
    assert (now["state"], now["seed"], now["halves"]["left"]["now_s"]) == ("starting", 2, None)


def test_two_runs_wait_for_one_another_until_one_is_over() -> None:
    """The faster is never over two seconds ahead of what is shown of the slower; when that ends it goes on alone."""
    reached = [0.0, 0.0]
    fast, slow = InStep(reached, 0), InStep(reached, 1)
    said: queue.Queue[float] = queue.Queue()

    def run() -> None:
        for second in range(1, 41):
            said.put(InStep.place(0, second))
            fast.wait(InStep.place(0, second))

    racing = threading.Thread(target=run)
    racing.start()
    for second in range(1, 21):
        while not said.empty():
            InStep.take_in(reached, 0, said.get())
        assert reached[0] <= second + 1
        InStep.take_in(reached, 1, InStep.place(0, second))
    slow.over()
    InStep.take_in(reached, 1, InStep.place(0, 20))
    while reached[0] < 40.0:
        InStep.take_in(reached, 0, said.get(timeout=20))
    racing.join(20)
    assert not racing.is_alive()
    assert reached == [40.0, float("inf")]
