"""A small Python API with the nouns of the command line and of REST; pictures in notebooks.

from cityloop.studies.notebook import City, Room

city = City("adlershof")
city.run("runs/brain-1", control="brain", seed=1)        # a Run; shown as its scorecard
city.compare("runs/two", arms=("fixed", "brain"), seeds=(1, 2))
Room("http://127.0.0.1:8420", token).decisions(junction=3)
"""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from importlib import import_module
from pathlib import Path
from typing import Any

from cityloop.kernel.errors import CityloopError
from cityloop.studies.compare import compare_arms
from cityloop.studies.report_parts import measures_table
from cityloop.studies.scorecard import RunScore, read_scorecard, write_scorecard
from cityloop.studies.summary import Summary

__all__ = ["City", "Comparison", "Room", "Rows", "Run", "WhatIfRun"]


class Rows(list[dict[str, Any]]):
    """Rows of a table: a list of dictionaries, shown as a table in a notebook."""

    def _repr_html_(self) -> str:
        names = list(dict.fromkeys(name for row in self for name in row))
        head = "".join(f'<th scope="col">{escape(name)}</th>' for name in names)
        body = "".join(
            "<tr>" + "".join(f"<td>{escape(_plain(row.get(name)))}</td>" for name in names) + "</tr>"
            for row in self[:200]
        )
        more = f"<caption>{len(self)} rows</caption>"
        return f"<table>{more}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"

    def frame(self) -> Any:
        """Return a pandas DataFrame; pandas is asked for only here."""
        pd = import_module("pandas")

        return pd.DataFrame(list(self))

    def geo_frame(self, crs: str | None = None) -> Any:
        """Return a GeoDataFrame of rows with x_m and y_m, in the network's own plane unless told otherwise."""
        gpd = import_module("geopandas")

        frame = self.frame()
        return gpd.GeoDataFrame(frame, geometry=gpd.points_from_xy(frame["x_m"], frame["y_m"]), crs=crs)


@dataclass(frozen=True, slots=True)
class Run:
    """A finished run's folder."""

    folder: Path

    @property
    def scorecard(self) -> RunScore:
        """What it measured."""
        if not (self.folder / "scorecard.json").is_file():
            write_scorecard(self.folder)
        return read_scorecard(self.folder)

    def junctions(self) -> Rows:
        """Return what each junction lost."""
        import msgspec

        return Rows(msgspec.to_builtins(one) for one in self.scorecard.junctions)

    def _repr_html_(self) -> str:
        score = self.scorecard
        vehicles = score.vehicles
        facts = {
            "city": score.city, "control": score.arm, "sensing": score.sensing, "seed": score.seed,
            "calibration": score.calibration, "vehicles": vehicles.n, "mean delay [s]": vehicles.delay_s,
            "mean standing [s]": vehicles.waiting_s, "stops": vehicles.stops, "unfinished": vehicles.unfinished,
            "unsafe lamp states": f"{score.safety.unsafe} of {score.safety.opportunities}",
            "warnings": "; ".join(score.warnings) or "none",
        }  # fmt: skip
        rows = "".join(
            f'<tr><th scope="row">{escape(k)}</th><td>{escape(_plain(v))}</td></tr>' for k, v in facts.items()
        )
        return (
            f"<table><caption>Scorecard of {escape(str(self.folder))}; simulated</caption><tbody>{rows}</tbody></table>"
        )


@dataclass(frozen=True, slots=True)
class Comparison:
    """Arms over the same seeds."""

    summary: Summary

    def _repr_html_(self) -> str:
        return measures_table(self.summary)


@dataclass(frozen=True, slots=True)
class City:
    """A city by its name, folder or configuration."""

    name: str

    def run(
        self,
        out: str | Path,
        *,
        control: str = "brain",
        seed: int = 1,
        sensing: str = "area:150",
        end_s: float | None = None,
    ) -> Run:
        """Run it once in the twin."""
        from cityloop import app

        app.run(app.RunSpec(city=self.name, out=Path(out), control=control, sensing=sensing, seed=seed, end_s=end_s))
        return Run(Path(out))

    def compare(
        self, out: str | Path, *, arms: Sequence[str], seeds: Sequence[int], jobs: int = 1, end_s: float | None = None
    ) -> Comparison:
        """Compare controls, paired over seeds."""
        done = compare_arms(self.name, arms, seeds, Path(out), jobs=jobs, end_s=end_s, progress=lambda text: None)
        return Comparison(done)


@dataclass(frozen=True, slots=True)
class WhatIfRun:
    """A what-if that is over: a paired scorecard, and where both worlds began."""

    job: Mapping[str, Any]

    def measures(self) -> Rows:
        """Return each measure's difference, as it would be less as it is, with its interval and verdict."""
        return Rows({"measure": name, **one} for name, one in self.job["result"]["paired"].items())

    @property
    def start(self) -> Mapping[str, Any] | None:
        """What was taken from the running city, and how near the begin came to it; None where both began empty."""
        found: Mapping[str, Any] | None = self.job["result"]["start"]
        return found

    def _repr_html_(self) -> str:
        return self.measures()._repr_html_()


@dataclass(frozen=True, slots=True)
class Room:
    """A served city, through its API."""

    url: str
    token: str

    def signals(self) -> Rows:
        """Return every junction's state."""
        return Rows(self.get("/signals")["items"])

    def decisions(self, **wanted: Any) -> Rows:
        """Return decisions, newest first: by ``junction``, ``domain``, ``begin_ms``, ``end_ms``, ``limit``."""
        return Rows(self.get("/decisions", wanted)["items"])

    def alerts(self, status: str = "open") -> Rows:
        """Return alerts."""
        return Rows(self.get("/alerts", {"status": status})["items"])

    def holds(self) -> Rows:
        """Return people's acts, those in force and those that are over."""
        return Rows(self.get("/holds")["items"])

    def ladder(self) -> Rows:
        """Return how far each domain is trusted in each district."""
        return Rows(self.get("/ladder")["rungs"])

    def sensors(self, text: str = "", limit: int = 1000) -> Rows:
        """Return sensors whose name has a text in it, with their places and states."""
        return Rows(self.get("/sensors", {"q": text, "limit": limit})["items"])

    def junctions(self) -> Rows:
        """Return the signalled junctions with their places: ``.geo_frame()`` puts them on a map."""
        return Rows(self.get("/layout")["junctions"])

    def audit(self, limit: int = 200) -> Rows:
        """Return the audit log, newest first."""
        return Rows(self.get("/audit", {"limit": limit})["items"])

    def what_if(self, *, minutes: float = 10.0, seeds: Sequence[int] = (11, 12, 13), **change: Any) -> WhatIfRun:
        """Run a what-if from the city as it stands, and wait for it: ``what_if(close_edge="670062912#1")``.

        ``change`` is as in REST: ``close_edge``, ``demand``, ``add_unit``, ``plan``, ``control`` and ``baseline``; the
        last two are as the city is led now unless they are given.
        """
        led = {"control": "now", "baseline": "now"}
        job = self._asked("/jobs", {"change": {**led, **change}, "minutes": minutes, "seeds": list(seeds)})
        while job["status"] in ("queued", "running"):
            time.sleep(1.0)
            job = self.get(f"/jobs/{job['id']}")
        if job["status"] != "done":
            raise CityloopError(f"what-if: {job['status']}; {job['text']}")
        return WhatIfRun(job)

    def table(self, domain: str, name: str) -> Rows:
        """Return a published table of a service: ``table("emergency", "units")``."""
        columns = self.get(f"/{domain}")["tables"].get(name, {}).get("columns", {})
        values = [columns[one]["values"] for one in columns]
        return Rows(dict(zip(columns, row, strict=True)) for row in zip(*values, strict=True))

    def scorecard(self, window_s: int = 3600) -> Rows:
        """Return the figures of the last hour, or of so many seconds."""
        return Rows(self.get("/scorecard", {"window_s": window_s})["figures"])

    def get(self, path: str, query: Mapping[str, Any] | None = None) -> Any:
        """Return what the server answers to a read."""
        return self._asked(path + (f"?{urllib.parse.urlencode(query)}" if query else ""))

    def _asked(self, path: str, body: Any = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.url.rstrip('/')}/api/v1{path}", data)
        request.add_header("Authorization", f"Bearer {self.token}")
        request.add_header("Content-Type", "application/json")
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return json.loads(answer.read())
        except urllib.error.HTTPError as error:
            raise CityloopError(f"{path}: {error.code}; {error.read().decode('utf-8', 'replace')[:200]}") from error
        except OSError as error:
            raise CityloopError(f"{self.url}: no answer ({error}); is cityloop serve running there?") from error


def _plain(value: object) -> str:
    return "-" if value is None else f"{value:,.2f}" if isinstance(value, float) else str(value)
