"""Tests of the field-trial kit against closed forms."""

from __future__ import annotations

import math
from itertools import product
from pathlib import Path

import msgspec
import numpy as np
import pytest
from click.testing import CliRunner
from scipy.stats import norm, ttest_1samp

from cityloop.cli.trial import command
from cityloop.kernel.errors import InputError
from cityloop.studies.trial_analysis import analyse_trial, permutation_p
from cityloop.studies.trial_design import days_needed, design_trial, digest_of, obrien_fleming, power_of


def _protocol(**changes: object):
    given = {
        "title": "T", "metric": "delay", "unit": "s", "better": "less", "districts": ("a", "b"), "begin": "2027-03-01",
        "detectable": 3.0, "pair_sd": 6.0, "seed": 7,
    }  # fmt: skip
    return design_trial(**(given | changes))


def test_power_is_that_of_the_textbook():
    """Cohen's tables: d = 0.5, 34 pairs, two-sided 5 % give 81 %; many pairs tend to the normal's closed form."""
    assert power_of(34, 0.5, 1.0, 0.05) == pytest.approx(0.808, abs=0.002)
    assert days_needed(0.5, 1.0, 0.05, 0.80) == 34
    n, d = 2000, 0.05
    bound = norm.ppf(0.975)
    closed = norm.sf(bound - d * math.sqrt(n)) + norm.cdf(-bound - d * math.sqrt(n))
    assert power_of(n, d, 1.0, 0.05) == pytest.approx(closed, abs=0.002)


def test_no_effect_has_the_level_as_its_power():
    """Where there is nothing to find, a trial finds it in alpha of all cases."""
    assert power_of(20, 0.0, 1.0, 0.05) == pytest.approx(0.05)


def test_power_is_what_drawn_trials_show():
    """Of 2,000 drawn trials as many reject as the power says."""
    rng = np.random.default_rng(1)
    values = rng.normal(0.5, 1.0, (2000, 34))
    rejected = (ttest_1samp(values, 0.0, axis=1).pvalue < 0.05).mean()
    assert rejected == pytest.approx(power_of(34, 0.5, 1.0, 0.05), abs=0.03)


def test_permutation_p_is_exact():
    """Up to 20 pairs every sign is tried: the p is that of the enumeration, and all one way gives 2 in 2^n."""
    differences = np.array([1.0, -2.0, 3.0, 0.5, 1.5])
    seen = abs(differences.sum())
    each = [abs(float(np.dot(signs, differences))) for signs in product((1, -1), repeat=5)]
    assert permutation_p(differences, 1) == pytest.approx(np.mean(np.array(each) >= seen - 1e-9))
    assert permutation_p(np.arange(1.0, 11.0), 1) == pytest.approx(2 / 2**10)


def test_drawn_permutations_agree_with_the_t_test():
    """Beyond 20 pairs signs are drawn; on normal differences the p is near that of the t test."""
    values = np.random.default_rng(3).normal(0.4, 1.0, 40)
    assert permutation_p(values, 1) == pytest.approx(ttest_1samp(values, 0.0).pvalue, abs=0.01)


def test_looks_spend_the_level_once():
    """All looks together spend alpha, the first of them little of it."""
    bounds = obrien_fleming((0.5, 1.0), 0.05)
    assert sum(bounds) == pytest.approx(0.05)
    assert bounds[0] == pytest.approx(2 - 2 * norm.cdf(norm.ppf(0.975) / math.sqrt(0.5)))


def test_days_are_drawn_in_like_pairs():
    """Each pair is a district's two days of the same weekday a week apart, one on and one off; the seed makes them."""
    protocol = _protocol()
    pairs: dict[int, list] = {}
    for one in protocol.assignments:
        pairs.setdefault(one.pair, []).append(one)
    assert len(pairs) == protocol.pairs
    for one, other in pairs.values():
        assert one.on != other.on
        assert one.district == other.district
        assert (np.datetime64(other.day) - np.datetime64(one.day)).astype(int) == 7
    assert digest_of(protocol) == digest_of(_protocol())
    assert digest_of(protocol) != digest_of(_protocol(seed=8))
    assert protocol.power >= 0.8


def _outcomes(protocol, effect: float, seed: int = 1):
    rng = np.random.default_rng(seed)
    return {
        (one.district, one.day): (40 + rng.normal(0, 6 / math.sqrt(2)) + effect * one.on, one.on)
        for one in protocol.assignments
    }


def test_planted_effect_is_found_and_nothing_is_not():
    """A gain of twice the detectable difference is told as better, with an interval that holds it; a loss as worse."""
    protocol = _protocol()
    digest = digest_of(protocol)
    found = analyse_trial(protocol, digest, _outcomes(protocol, -6.0), 1.0)
    assert found.verdict == "better"
    assert found.low < -6.0 < found.high
    assert analyse_trial(protocol, digest, _outcomes(protocol, 6.0), 1.0).verdict == "worse"
    assert analyse_trial(protocol, digest, _outcomes(protocol, 0.0), 1.0).verdict == "no clear difference"


def test_changed_protocol_and_unplanned_look_are_refused():
    """What was fixed stays fixed."""
    protocol = _protocol()
    changed = msgspec.structs.replace(protocol, metric="another")
    with pytest.raises(InputError, match="changed after it was fixed"):
        analyse_trial(changed, digest_of(protocol), {}, 1.0)
    with pytest.raises(InputError, match=r"looks at 0\.5, 1 of its pairs"):
        analyse_trial(protocol, digest_of(protocol), {}, 0.7)


def test_day_not_kept_leaves_its_pair_out_and_harm_is_named():
    """A pair whose day was kept the other way is told and left out; a terrible on day is the stop rule's."""
    protocol = _protocol()
    outcomes = _outcomes(protocol, -6.0)
    first = next(one for one in protocol.assignments if one.on)
    outcomes[first.district, first.day] = (500.0, True)
    other = next(one for one in protocol.assignments if one.pair != first.pair)
    outcomes[other.district, other.day] = (40.0, not other.on)
    found = analyse_trial(protocol, digest_of(protocol), outcomes, 1.0)
    assert found.pairs == protocol.pairs - 1
    assert len(found.left_out) == 1
    assert found.harm == (f"{first.district} {first.day}: 500 s",)


def test_commands_plan_and_analyse(tmp_path: Path):
    """Plan writes protocol, calendar and digest once; analyse takes the digest and writes a page without scripts."""
    out = tmp_path / "trial"
    words = ["plan", "--metric", "delay", "--unit", "s", "--district", "a", "--begin", "2027-03-01"]
    words += ["--detectable", "3", "--pair-sd", "6", "--seed", "7", "--out", str(out)]
    done = CliRunner().invoke(command, words)
    assert done.exit_code == 0, done.output
    digest = next(line.split()[1] for line in done.output.splitlines() if line.startswith("digest"))
    assert isinstance(CliRunner().invoke(command, words).exception, Exception)
    rows = (out / "calendar.csv").read_text().splitlines()[1:]
    values = tmp_path / "outcomes.csv"
    lines = [f"{d},{day},{40 - 8 * int(on)},{on}" for d, day, on, _ in (row.split(",") for row in rows)]
    values.write_text("district,day,value,was_on\n" + "\n".join(lines))
    told = CliRunner().invoke(
        command, ["analyse", str(out / "protocol.json"), str(values), "--digest", digest, "--out", str(tmp_path / "r")]
    )
    assert told.exit_code == 0, told.output
    assert "better" in told.output
    assert "<script" not in (tmp_path / "r" / "report.html").read_text()
