"""Tuned plans: found in order, refused when they are another city's."""

from __future__ import annotations

import pytest

from cityloop.domains.signals.schema import Plan, PlanStage
from cityloop.kernel.errors import ConfigError
from cityloop.storage.plans_file import PlansFile, find_plans, read_plans, write_plans

PLANS = PlansFile(
    case_digest="abc", fixed_tuned=(Plan(junction="j", stages=(PlanStage(stage=0, green_s=20),), offset_s=7),)
)


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """A cache of our own."""
    monkeypatch.setenv("CITYLOOP_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_plans_come_back(tmp_path):
    """Plans survive their file; an arm that was not tuned has none."""
    write_plans(tmp_path / "plans.json", PLANS)
    read = read_plans(tmp_path / "plans.json", "abc")
    assert read == PLANS
    assert (read.of("fixed-tuned"), read.of("actuated-tuned")) == (PLANS.fixed_tuned, ())


def test_plans_of_another_case_are_refused(tmp_path):
    """Plans tuned for another network or demand would be a weak rival; they are refused."""
    write_plans(tmp_path / "plans.json", PLANS)
    with pytest.raises(ConfigError, match="case-digest is abc, but .* have xyz"):
        read_plans(tmp_path / "plans.json", "xyz")


@pytest.mark.parametrize("text", ["", "[]", '{"case-digest": "abc", "fixed": []}'])
def test_nonsense_is_refused(tmp_path, text):
    """What is not a plans file is named as such."""
    (tmp_path / "plans.json").write_text(text)
    with pytest.raises(ConfigError, match="not a plans file"):
        read_plans(tmp_path / "plans.json", "abc")


def test_none_at_hand(tmp_path, cache):
    """Without a file anywhere there are no plans."""
    assert find_plans("abc", None, tmp_path / "nowhere") is None


def test_the_given_file_goes_first(tmp_path, cache):
    """The file given stands before the city's own, and that before the cache's."""
    places = [
        tmp_path / "given.json",
        tmp_path / "city" / "plans.json",
        cache / "plans" / "abc" / "plans.json",
    ]
    for path in places:
        write_plans(path, PLANS)
    for given, plans_dir, found in zip(
        (places[0], None, None), (tmp_path / "city", tmp_path / "city", None), places, strict=True
    ):
        assert find_plans("abc", given, plans_dir) == (found, PLANS)
