"""Arms over the same seeds: pairs, losses, failures, and what must not be compared."""

from __future__ import annotations

import msgspec
import pytest

from cityloop.kernel.errors import ConfigError, StoreError
from cityloop.studies.compare import find_runs, group_results
from cityloop.studies.matrix import Cell, CellResult, parse_seeds
from cityloop.studies.scorecard import RunScore, score_run
from cityloop.studies.summary import Failure, Summary, summarise
from cityloop.studies.tables import summary_lines


@pytest.fixture
def scores(make_run) -> dict[str, list[RunScore]]:
    """Three seeds of two arms: the brain's mean delay is 4, 5 and 6 s more, its junction's half as much."""
    found: dict[str, list[RunScore]] = {"fixed": [], "brain": []}
    for seed in (1, 2, 3):
        found["fixed"].append(score_run(make_run(f"f{seed}", arm="fixed", seed=seed, lost_s=90.0 + seed)))
        longer = make_run(f"b{seed}", arm="brain", seed=seed, longer_s=12.0 + 4 * seed, lost_s=45.0 + seed / 2)
        found["brain"].append(score_run(longer))
    return found


def _delay(summary: Summary):
    return next(pair for pair in summary.pairs if pair.measure == "delay_s")


def test_pairs_are_by_seed(scores) -> None:
    """Delays grow by 4, 5 and 6 s: a mean of 5 s, with the interval of those three differences."""
    pair = _delay(summarise(scores, "brain"))
    assert (pair.ours_mean, pair.theirs_mean, pair.difference.mean) == (30.0, 25.0, 5.0)
    assert pair.difference.low == pytest.approx(5 - 4.30265 / 3**0.5, abs=1e-4)
    assert (pair.verdict, pair.worst_seed) == ("worse", 3)
    assert pair.gain_frac == pytest.approx(-0.2)


def test_losses_are_named_and_gains_are_not(scores) -> None:
    """Mean delay got worse and is named; the junction got better and is not."""
    summary = summarise(scores, "brain")
    named = {pair.measure for pair in summary.losses}
    assert "delay_s" in named
    assert "J" not in named
    assert summary.compared > len(named)


def test_only_common_seeds_are_paired(scores) -> None:
    """A seed that one arm lacks takes no part in pairs, but stays in that arm's own mean."""
    summary = summarise({"fixed": scores["fixed"], "brain": scores["brain"][:2]}, "brain")
    assert summary.seeds == (1, 2)
    assert _delay(summary).difference.mean == 4.5
    assert summary.arms[0].seeds == (1, 2, 3)


def test_one_seed_gives_no_verdict(scores) -> None:
    """A single pair has neither an interval nor a loss."""
    summary = summarise({arm: runs[:1] for arm, runs in scores.items()}, "brain")
    assert _delay(summary).verdict == "undecided"
    assert summary.losses == ()


def test_runs_of_other_files_are_not_compared(scores) -> None:
    """The digest of the city's files is part of what makes runs comparable."""
    other = msgspec.structs.replace(scores["brain"][0], digests={"case": "beef"})
    with pytest.raises(StoreError, match="different files"):
        summarise({"fixed": scores["fixed"], "brain": [other]}, "brain")
    later = msgspec.structs.replace(scores["brain"][0], scale=0.8)
    with pytest.raises(StoreError, match="different scale"):
        summarise({"fixed": scores["fixed"], "brain": [later]}, "brain")


def test_a_failed_cell_is_reported(scores, tmp_path) -> None:
    """A cell without a score is in the summary and in the table, with its reason."""
    cell = Cell(city="toytown", arm="brain", sensing="area:150", seed=9, scale=1.0, folder=tmp_path)
    results = [CellResult(cell=cell, failure="SUMO ended early")]
    for arm, runs in scores.items():
        at = msgspec.structs.replace(cell, arm=arm)
        results += [CellResult(cell=at, score=score) for score in runs]
    summary = group_results(results, ["fixed", "brain"])
    assert summary.failures == (Failure(arm="brain", seed=9, reason="SUMO ended early"),)
    assert "FAILED brain, seed 9: SUMO ended early" in list(summary_lines(summary))
    with pytest.raises(StoreError, match="every run failed: SUMO ended early"):
        group_results(results[:1], ["fixed", "brain"])


def test_the_table_says_simulated_and_uncalibrated(scores) -> None:
    """No figure is printed without saying where it comes from."""
    first = next(iter(summary_lines(summarise(scores, "brain"))))
    assert "simulated (SUMO 1.28.0)" in first
    assert "SYNTHETIC DEMAND, UNCALIBRATED" in first


def test_seeds_are_a_number_or_a_list() -> None:
    """One number counts the seeds; several name them."""
    assert parse_seeds("3") == (1, 2, 3)
    assert parse_seeds("8,3") == (8, 3)
    for bad in ("", "x", "0", "3,3", "-2"):
        with pytest.raises(ConfigError, match="seeds"):
            parse_seeds(bad)


def test_run_folders_are_found_below(make_run, tmp_path) -> None:
    """A folder of run folders stands for them, each once; one without any is refused."""
    first, second = make_run("x/fixed/1"), make_run("x/brain/1")
    assert find_runs([tmp_path / "x", first]) == [second, first]
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigError, match="holds no run folder"):
        find_runs([tmp_path / "empty"])
