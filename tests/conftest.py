"""Fixtures that every layer of tests shares."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def checkout() -> Path:
    """The root of the repository."""
    return Path(__file__).parents[1]


@pytest.fixture(scope="session")
def evaluation_data() -> Path:
    """The folder of evaluation data, or a skip that says how to name it."""
    named = os.environ.get("CITYLOOP_EVAL_DATA")
    if not named:
        pytest.skip("CITYLOOP_EVAL_DATA does not name the evaluation data")
    folder = Path(named)
    if not folder.is_dir():
        pytest.fail(f"CITYLOOP_EVAL_DATA={named}: no such folder; unset it or name the evaluation data")
    return folder
