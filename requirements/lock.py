"""Pin what pyproject.toml asks for, with hashes and without the address of any index.

Run it as ``make lock``. The build backend is pinned with the rest, so that installing the project needs no
network once these are installed.
"""

import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

HERE = Path(__file__).parent
HEADER = "# Made by `make lock` from pyproject.toml; change that, not this.\n"
OPTIONS = [
    "--quiet",
    "--universal",
    "--python-version=3.11",
    "--generate-hashes",
    "--only-binary=:all:",
    "--no-header",
    "--no-annotate",
    "--no-emit-index-url",
    "--no-emit-find-links",
    "--no-config",
]


def main() -> None:
    """Write run.txt from the project's needs, then dev.txt so that the two agree."""
    project = tomllib.loads((HERE.parent / "pyproject.toml").read_text(encoding="utf-8"))
    run = project["build-system"]["requires"] + project["project"]["dependencies"]
    dev = project["project"]["optional-dependencies"]["dev"]
    _pin(run, HERE / "run.txt")
    _pin(run + dev, HERE / "dev.txt", "--constraints", str(HERE / "run.txt"))


def _pin(needs: list[str], target: Path, *options: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        source, pinned = Path(folder, "needs.in"), Path(folder, "pinned.txt")
        source.write_text("\n".join(needs) + "\n", encoding="utf-8")
        if target.exists():
            pinned.write_bytes(target.read_bytes())
        uv = Path(sys.executable).with_name("uv")
        subprocess.run([uv, "pip", "compile", *OPTIONS, *options, source, "--output-file", pinned], check=True)
        target.write_text(HEADER + pinned.read_text(encoding="utf-8").removeprefix(HEADER), encoding="utf-8")


if __name__ == "__main__":
    main()
