"""Is a city led live what it is in one process? The same seeds inline and by two processes over a link, paired.

Inline, the brain and the twin share a loop. Live, ``cityloop run`` leads a field that ``cityloop twin serve`` runs in a
process of its own, over MQTT or HTTP on loopback, through a link with the loss, delay and jitter asked for. With the
transport ``simulated`` the same bytes take a link in simulated time within one process, which a busy machine cannot
disturb. All are scored by the twin's own outputs.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from cityloop import app
from cityloop.app.field_agent import LinkFaults
from cityloop.app.field_twin import FieldTwinSpec, open_field, write_layout
from cityloop.app.live_loopback import BEGIN_MS, live_loopback
from cityloop.app.planner import planned
from cityloop.cities.live.city import LiveParams
from cityloop.cities.live.folder import LiveToml
from cityloop.engine.inline import InlineEngine, LoopParams
from cityloop.kernel.errors import CityError, ConfigError
from cityloop.methods.statistics import Comparison, compare_paired, mean_interval, verdict_words
from cityloop.storage.memory import MemoryStore
from cityloop.storage.run_toml import RUN_FILE, read_run_toml, write_run_toml
from cityloop.studies.scorecard import RunScore, write_json, write_scorecard

__all__ = ["Link", "LiveBenchSpec", "bench_live", "parse_link"]

_WAITS = re.compile(r"mqtt://(?P<host>[^:]+):(?P<mqtt>\d+) and http://[^:]+:(?P<http>\d+)")
_START_S = 900.0
_TRANSIT_MS = 20
"""How long a message takes in simulated time, as on one machine. [ms]"""


class Link(msgspec.Struct, frozen=True, kw_only=True):
    """A link between brain and field."""

    name: str
    transport: str = "mqtt"
    loss: float = 0.0
    delay_s: float = 0.0
    jitter_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveBenchSpec:
    """What is compared."""

    city: str
    out: Path
    """Where runs are kept."""
    seeds: tuple[int, ...]
    links: tuple[Link, ...]
    control: str = "brain"
    sensing: str = "area:150"
    pace: float = 1.0
    settle_ms: int = 500
    begin_s: float | None = None
    end_s: float | None = None
    jobs: int = 1
    """Live runs side by side."""

    def __post_init__(self) -> None:
        """Refuse what cannot be."""
        if not self.seeds or not self.links:
            raise ConfigError("give at least one seed and one link")
        if len({link.name for link in self.links}) < len(self.links):
            raise ConfigError("two links have one name; give each its own")


class LinkScore(msgspec.Struct, frozen=True, kw_only=True):
    """One link over all seeds."""

    link: Link
    delay_s: tuple[float, ...]
    """Mean delay of a vehicle, by seed."""
    difference_s: float
    """Live less inline, mean over seeds."""
    interval_s: tuple[float, float] | None
    words: str
    unsafe: int
    """Unsafe lamp states, by the separate checker."""
    field: tuple[dict[str, Any], ...]
    """What each field told of its link."""


class LiveBench(msgspec.Struct, frozen=True, kw_only=True):
    """Inline beside live."""

    city: str
    control: str
    seeds: tuple[int, ...]
    pace: float
    inline_delay_s: tuple[float, ...]
    seed_noise_s: float | None
    """Half width of the 95 % interval of the inline mean: what one seed or another makes."""
    links: tuple[LinkScore, ...]


def parse_link(text: str) -> Link:
    """Read ``NAME[:KEY=VALUE,...]``, keys transport, loss, delay, jitter: such as ``poor:loss=0.05,delay=0.2``."""
    name, _, rest = text.partition(":")
    keys = {"transport": "transport", "loss": "loss", "delay": "delay_s", "jitter": "jitter_s"}
    values: dict[str, Any] = {"name": name}
    for part in filter(None, rest.split(",")):
        key, sign, value = part.partition("=")
        if key not in keys or not sign:
            raise ConfigError(f"link {text!r}: {part!r}; give NAME:KEY=VALUE,... with {', '.join(keys)}")
        values[keys[key]] = value
    try:
        link = msgspec.convert(values, Link, strict=False)
    except msgspec.ValidationError as error:
        raise ConfigError(f"link {text!r}: {error}") from error
    if link.transport not in ("mqtt", "http", "simulated") or not name.replace("-", "").isalnum():
        raise ConfigError(
            f"link {text!r}: transport is mqtt, http or simulated, and the name of letters, digits and dashes"
        )
    return link


def bench_live(spec: LiveBenchSpec, say: Callable[[str], None]) -> LiveBench:
    """Run every seed inline, and live over every link; what is there already is not run again."""
    spec.out.mkdir(parents=True, exist_ok=True)
    inline = [_inline(spec, seed, say) for seed in spec.seeds]
    noise = mean_interval([_delay(score) for score in inline]).interval
    scores: list[LinkScore] = []
    for link in spec.links:
        with ThreadPoolExecutor(spec.jobs) as pool:
            live = list(pool.map(lambda seed, link=link: _live(spec, link, seed, say), spec.seeds))
        scores.append(_score(link, inline, [score for score, _ in live], [told for _, told in live]))
        say(f"{link.name}: {scores[-1].words}")
    bench = LiveBench(
        city=inline[0].city,
        control=spec.control,
        seeds=spec.seeds,
        pace=spec.pace,
        inline_delay_s=tuple(_delay(score) for score in inline),
        seed_noise_s=None if noise is None else (noise.high - noise.low) / 2,
        links=tuple(scores),
    )
    write_json(spec.out / "live.json", bench)
    return bench


def _score(
    link: Link, inline: Sequence[RunScore], live: Sequence[RunScore], told: Sequence[dict[str, Any]]
) -> LinkScore:
    compared: Comparison = compare_paired([_delay(s) for s in live], [_delay(s) for s in inline])
    between = compared.difference.interval
    return LinkScore(
        link=link,
        delay_s=tuple(_delay(score) for score in live),
        difference_s=compared.difference.mean,
        interval_s=None if between is None else (between.low, between.high),
        words=verdict_words(compared, "live", "inline"),
        unsafe=sum(score.safety.unsafe for score in live),
        field=tuple(told),
    )


def _delay(score: RunScore) -> float:
    delay_s = score.vehicles.delay_s
    if delay_s is None:
        raise ConfigError(f"{score.city}: no vehicle arrived; give later --end")
    return delay_s


def _inline(spec: LiveBenchSpec, seed: int, say: Callable[[str], None]) -> RunScore:
    out = spec.out / f"inline-{seed}"
    if not _finished(out):
        run = app.RunSpec(
            city=spec.city,
            out=out,
            control=spec.control,
            sensing=spec.sensing,
            seed=seed,
            begin_s=spec.begin_s,
            end_s=spec.end_s,
        )
        app.run(run)
    score = write_scorecard(out)
    say(f"inline, seed {seed}: {_delay(score):.2f} s")
    return score


def _live(spec: LiveBenchSpec, link: Link, seed: int, say: Callable[[str], None]) -> tuple[RunScore, dict[str, Any]]:
    """Run one seed by two processes, and score what the field recorded."""
    folder = spec.out / f"{link.name}-{seed}"
    field, told_file = folder / "field", folder / "field.json"
    if not (_finished(field) and told_file.is_file()):
        if folder.exists():
            raise ConfigError(f"{folder}: of a run that did not finish; remove it")
        folder.mkdir(parents=True)
        lead = _simulated if link.transport == "simulated" else _led
        told_file.write_text(json.dumps(lead(spec, link, seed, folder)), encoding="utf-8")
    score = write_scorecard(field)
    say(f"{link.name}, seed {seed}: {_delay(score):.2f} s")
    return score, json.loads(told_file.read_text(encoding="utf-8"))


def _simulated(spec: LiveBenchSpec, link: Link, seed: int, folder: Path) -> dict[str, Any]:
    """Run one seed over a link in simulated time."""
    faults = LinkFaults(loss=link.loss, delay_s=link.delay_s, jitter_s=link.jitter_s, seed=seed)
    served = FieldTwinSpec(
        city=spec.city,
        out=folder / "field",
        url="",
        token="",
        sensing=spec.sensing,
        seed=seed,
        begin_s=spec.begin_s,
        end_s=spec.end_s,
    )
    served.out.mkdir()
    field = open_field(served)
    twin = field.open_twin(1)
    live, loopback = live_loopback(
        twin.city,
        params=LiveParams(),
        city_begin_ms=twin.begin_ms,
        settle_ms=spec.settle_ms,
        transit_ms=_TRANSIT_MS,
        faults=faults,
    )
    begin_ms = BEGIN_MS + spec.settle_ms
    params = LoopParams(begin_ms=begin_ms, end_ms=begin_ms + (twin.end_ms - twin.begin_ms) + 10_000)
    try:
        report = InlineEngine(planned(live), app.brain_of(spec.control, live.layout()), MemoryStore(), params).run()
    finally:
        live.close()
        twin.city.close()
    write_run_toml(served.out, msgspec.structs.replace(field.run, state="complete"))
    return {
        "steps": report.steps,
        "leases": loopback.field.leases,
        "receipts": loopback.field.receipts,
        "lost": loopback.lost,
        "late": live.scans.late,
        "unanswered": live.unanswered,
    }


def _led(spec: LiveBenchSpec, link: Link, seed: int, folder: Path) -> dict[str, Any]:
    live = folder / "city"
    # The clocks agree from a moment of this very run on, so that a fast one is never far ahead of the wall's.
    origin_ms = 0 if spec.pace == 1.0 else time.time_ns() // 1_000_000
    keys = LiveToml(pace=spec.pace, origin_ms=origin_ms, settle_ms=spec.settle_ms)
    write_layout(spec.city, live, sensing=spec.sensing, live=keys)
    command = [sys.executable, "-m", "cityloop"]
    led = ["run", str(live), "--control", spec.control, "--out", str(folder / "brain")]
    brain = subprocess.Popen(
        [*command, *led], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=_environment()
    )
    try:
        found = _ports(brain)
        url = f"{link.transport}://{found['host']}:{found[link.transport]}"
        served = ["twin", "serve", spec.city, "--url", url, "--clock", str(live), "--out", str(folder / "field")]
        served += ["--token-file", str(folder / "brain" / "sensing" / "field.token"), "--sensing", spec.sensing]
        served += ["--seed", str(seed), "--link-seed", str(seed), "--json"]
        served += ["--loss", str(link.loss), "--delay", str(link.delay_s), "--jitter", str(link.jitter_s)]
        served += [] if spec.begin_s is None else ["--begin", str(spec.begin_s)]
        served += [] if spec.end_s is None else ["--end", str(spec.end_s)]
        done = subprocess.run([*command, *served], capture_output=True, text=True, check=False, env=_environment())
        if done.returncode:
            raise CityError(f"the field of {folder} failed: {done.stderr.strip()[-300:]}")
        brain.wait(120)
    finally:
        if brain.poll() is None:
            brain.kill()
        brain.wait()
        assert brain.stderr is not None
        brain.stderr.close()
    told: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return told


def _ports(brain: subprocess.Popen[str]) -> dict[str, str]:
    """Wait until the brain says where its field is to report."""
    assert brain.stderr is not None
    patience = threading.Timer(_START_S, brain.kill)
    patience.start()
    try:
        for line in brain.stderr:
            found = _WAITS.search(line)
            if found:
                # Read on, so that what it says later does not fill the pipe.
                threading.Thread(target=brain.stderr.read, daemon=True).start()
                return found.groupdict()
    finally:
        patience.cancel()
    raise CityError("the brain of a live run did not start")


def _finished(folder: Path) -> bool:
    return (folder / RUN_FILE).is_file() and read_run_toml(folder).complete


def _environment() -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
