"""A report's page as PDF, printed by the Chromium that is installed: an extra, as every page prints as it is."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from cityloop.kernel.errors import CityloopError, ConfigError

__all__ = ["print_pdf", "usual_chromium"]

_LIMIT_S = 180.0
_QUIET = ("--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync")


def usual_chromium() -> Path:
    """Return where Chromium is: ``CITYLOOP_CHROMIUM``, or the one on the path, or Debian's."""
    found = os.environ.get("CITYLOOP_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    return Path(found or "/usr/bin/chromium")


def print_pdf(page: Path, chromium: Path | None = None) -> Path:
    """Print a page that needs nothing but itself; return the PDF beside it."""
    browser = chromium or usual_chromium()
    if not browser.is_file():
        raise ConfigError(
            f"--pdf: no browser at {browser}; install it (Debian: apt install chromium), name another in "
            f"CITYLOOP_CHROMIUM, or print {page} from any browser"
        )
    target = page.with_suffix(".pdf")
    with tempfile.TemporaryDirectory(prefix="cityloop-pdf-") as folder:
        # Printed aside and moved when it is whole: a browser that dies leaves no half of a file.
        made = Path(folder) / "page.pdf"
        # A browser's own sandbox does not work for root, whom containers often are.
        sandbox = ("--no-sandbox",) if os.geteuid() == 0 else ()
        words = [
            str(browser), "--headless", "--disable-gpu", "--disable-dev-shm-usage", *_QUIET, *sandbox,
            f"--user-data-dir={folder}/profile", "--no-pdf-header-footer", f"--print-to-pdf={made}",
            page.resolve().as_uri(),
        ]  # fmt: skip
        try:
            ran = subprocess.run(words, capture_output=True, timeout=_LIMIT_S, check=False, stdin=subprocess.DEVNULL)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise CityloopError(f"--pdf: {browser} did not print {page} ({error})") from error
        if not made.is_file() or made.stat().st_size == 0:
            told = ran.stderr.decode(errors="replace").strip().splitlines()
            why = told[-1][:200] if told else "it says nothing"
            raise CityloopError(f"--pdf: {browser} ended with {ran.returncode} and printed nothing ({why})")
        shutil.move(made, target)
    return target
