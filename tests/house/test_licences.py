"""Everything that is installed beside us may be used by anybody, for anything."""

from __future__ import annotations

import re
from importlib.metadata import Distribution, distributions

import pytest

ALLOWED = {
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "CC0-1.0",
    "EPL-2.0",
    "ISC",
    "MIT",
    "MIT-0",
    "MIT-CMU",
    "MPL-2.0",
    "PSF-2.0",
    "Unlicense",
    "Zlib",
    # How apsw states that any OSI-approved licence may be chosen.
    "any-OSI",
}
"""SPDX names. No AGPL, no GPL without a choice, nothing non-commercial."""

CLASSIFIERS = {
    "Apache Software License": "Apache-2.0",
    "BSD License": "BSD-3-Clause",
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
}
"""For distributions that state no SPDX expression."""


def stated_licence(distribution: Distribution) -> str:
    """The licence as an SPDX expression, from the expression, the classifiers or the old free-text field."""
    metadata = distribution.metadata
    expression = metadata.get("License-Expression")
    if expression:
        return expression
    classified = [
        CLASSIFIERS.get(line.split(" :: ")[-1], line.split(" :: ")[-1])
        for line in metadata.get_all("Classifier", [])
        if line.startswith("License :: ") and "DFSG" not in line
    ]
    return " OR ".join(dict.fromkeys(classified)) or (metadata.get("License") or "unstated").strip()


def is_allowed(expression: str) -> bool:
    """Whether an SPDX expression can be met with allowed licences alone."""
    words = re.findall(r"\(|\)|[^\s()]+(?:\s+WITH\s+[^\s()]+)?", expression)

    def either() -> bool:
        met = both()
        while words and words[0] == "OR":
            words.pop(0)
            met = both() or met
        return met

    def both() -> bool:
        met = one()
        while words and words[0] == "AND":
            words.pop(0)
            met = one() and met
        return met

    def one() -> bool:
        word = words.pop(0) if words else ""
        if word == "(":
            met = either()
            return words.pop(0) == ")" and met if words else False
        return re.sub(r"\s+", " ", word) in ALLOWED

    return either() and not words


def test_every_installed_distribution_is_allowed():
    """Each dependency, and each of theirs, is under a licence of the list."""
    found = {
        f"{distribution.name} {distribution.version}: {stated_licence(distribution)}"
        for distribution in distributions()
        if not is_allowed(stated_licence(distribution))
    }
    assert found == set()


@pytest.mark.parametrize(
    ("expression", "allowed"),
    [
        ("MIT", True),
        ("AGPL-3.0-only", False),
        ("GPL-3.0-or-later", False),
        ("CC-BY-NC-4.0", False),
        ("unstated", False),
        ("EPL-2.0 OR GPL-2.0-or-later", True),
        ("MIT AND AGPL-3.0-only", False),
        ("MPL-2.0 AND (Apache-2.0 OR AGPL-3.0-only)", True),
        ("BSD-2-Clause AND Apache-2.0 WITH LLVM-exception", True),
        ("(MIT", False),
        ("", False),
    ],
)
def test_expressions_are_read_as_spdx_means_them(expression, allowed):
    """OR is a choice of ours, AND binds us to both."""
    assert is_allowed(expression) is allowed
