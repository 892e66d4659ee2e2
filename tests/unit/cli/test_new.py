"""What ``cityloop new domain`` accepts, and what it leaves behind when it does not."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from cityloop.cli import main as cli
from cityloop.cli.new import domain_files, name_fault


@pytest.fixture
def tree(tmp_path) -> Path:
    """The folders of a checkout, without a domain in them."""
    (tmp_path / "src/cityloop/domains").mkdir(parents=True)
    (tmp_path / "src/cityloop/cities/toy").mkdir(parents=True)
    return tmp_path


def new_domain(capsys, root: Path, name: str) -> tuple[object, str]:
    with pytest.raises(SystemExit) as left:
        cli.main(["new", "domain", name, "--root", str(root)])
    return left.value.code, capsys.readouterr().err


@pytest.mark.parametrize("name", ["lighting", "street_lighting", "zone30"])
def test_a_lower_case_python_name_is_accepted(name):
    """The name becomes a folder, a module and a class."""
    assert name_fault(name) is None


@pytest.mark.parametrize(
    "name",
    ["", "Lighting", "9lives", "a-b", "a b", "../up", "_hidden", "double__bar", "class", "match", "utils"],
)
def test_any_other_name_is_refused_in_one_line(name, tree, capsys):
    """The line repeats the name and says what to give instead; nothing is written."""
    code, err = new_domain(capsys, tree, name)
    assert code == 1
    assert re.fullmatch(r"cityloop: error: domain name .*\n", err)
    assert repr(name) in err
    assert not list(tree.rglob("*.py"))


def test_a_name_too_long_is_refused_with_the_bound(tree, capsys):
    """Lines of the template grow with the name, so it has a greatest length."""
    assert new_domain(capsys, tree, "a" * 20)[0] == 0
    code, err = new_domain(capsys, tree, "b" * 21)
    assert code == 1
    assert "at most 20" in err


@pytest.mark.parametrize("taken", ["src/cityloop/domains/lighting/state.py", "src/cityloop/cities/toy/lighting.py"])
def test_a_taken_name_is_refused_and_nothing_is_overwritten(taken, tree, capsys):
    """What stands where a file would go stays as it is, and no other file is written."""
    (tree / taken).parent.mkdir(exist_ok=True)
    (tree / taken).write_text("mine", encoding="utf-8")
    code, err = new_domain(capsys, tree, "lighting")
    assert code == 1
    assert "exists already" in err
    assert [path.read_text(encoding="utf-8") for path in tree.rglob("*.py")] == ["mine"]


def test_outside_a_checkout_it_says_where_to_go(tmp_path, capsys):
    """The folder that was looked at is named, with the option that names another."""
    code, err = new_domain(capsys, tmp_path, "lighting")
    assert code == 1
    assert str(tmp_path) in err
    assert "--root" in err


def test_a_write_that_fails_leaves_nothing(tree, capsys, monkeypatch):
    """A full disk half way through takes back what was written before."""
    before = sorted(tree.rglob("*"))
    opened, count = Path.open, iter(range(100))

    def full_after_five(path: Path, *words: str, **options: str):
        if next(count) == 5:
            raise OSError(28, "No space left on device", str(path))
        return opened(path, *words, **options)

    monkeypatch.setattr(Path, "open", full_after_five)
    code, err = new_domain(capsys, tree, "lighting")
    monkeypatch.undo()
    assert code == 1
    assert "No space left on device" in err
    assert sorted(tree.rglob("*")) == before


def test_the_whole_shape_is_written():
    """One file for each question a domain answers, its toy city and its tests."""
    written = set(domain_files("lighting"))
    folder = "src/cityloop/domains/lighting"
    questions = ("schema", "state", "forecast", "decide/baseline", "guard", "measure", "domain")
    assert {f"{folder}/{question}.py" for question in questions} < written
    assert {f"{folder}/README.md", "src/cityloop/cities/toy/lighting.py"} < written
    assert "tests/unit/domains/lighting/test_guard.py" in written


def test_two_domains_have_streams_of_their_own():
    """Their readings can never be taken for one another's."""

    def kind(name: str) -> int:
        schema = domain_files(name)[f"src/cityloop/domains/{name}/schema.py"]
        return int(re.findall(r"LEVEL_STREAM = (\d+)", schema)[0])

    assert abs(kind("lighting") - kind("drainage")) > 1
    assert max(kind("lighting"), kind("drainage")) + 1 < 2**31
