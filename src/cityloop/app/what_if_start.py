"""Makes what both worlds of a what-if begin from: ``python -m cityloop.app.what_if_start SPEC.json``.

The unchanged city is driven up to now by this hour's demand and its plans; what the running brain believes of the city
as it stands then takes the place of what was driven, wherever it covers the streets.
"""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec
import numpy as np

from cityloop.app.what_if_acts import MEMORY_FILE
from cityloop.app.what_if_now import LiveNow
from cityloop.app.what_if_world import PLAN_ARM
from cityloop.cities.sumo.assimilate import assimilated
from cityloop.cities.sumo.folder import CityCase, resolve_city
from cityloop.cities.sumo.kept_plans import find_plans
from cityloop.cities.sumo.network import Network, read_network
from cityloop.cities.sumo.programs import fixed_plan, write_programs
from cityloop.cities.sumo.start_file import SNAPSHOT_FILE, START_FILE, Snapshot, read_struct, write_struct
from cityloop.cities.sumo.twin import SumoCity, TwinSetup
from cityloop.kernel.errors import CityloopError

__all__ = ["DRIVEN", "NOW_FILE", "StartSpec", "make_start"]

NOW_FILE = "now.json"
DRIVEN = "driven"
"""Run folder of what was driven up to now, beside the start."""
_DRAWS = 0x6E6F77


class StartSpec(msgspec.Struct, frozen=True, kw_only=True):
    """Of one seed's start."""

    city: str
    now: str
    """File of what is believed now."""
    seed: int
    scale: float
    begin_s: float
    now_s: float
    out: str
    """Folder that is made."""


def make_start(spec: StartSpec) -> None:
    """Drive the city up to now, bring it to what is believed, and write what runs begin from."""
    out = Path(spec.out)
    out.mkdir()
    case = resolve_city(spec.city).between(spec.begin_s, spec.now_s)
    # Without ambulances and trucks: they stand where they were last heard.
    network = read_network(case.net_file, walking_speed_mps=case.walking_speed_mps)
    snapshot = _driven(case, network, spec, out / DRIVEN)
    now = read_struct(Path(spec.now), LiveNow)
    start = assimilated(snapshot, now.estimate, network.zones, np.random.default_rng([spec.seed, _DRAWS]))
    write_struct(out / START_FILE, start)
    if now.memory:
        (out / MEMORY_FILE).write_bytes(now.memory)


def _driven(case: CityCase, network: Network, spec: StartSpec, folder: Path) -> Snapshot:
    """Return the twin after this hour's demand has been driven up to now, under the city's plans."""
    folder.mkdir()
    kept = find_plans(case)
    plans = (kept[1].of_arm(PLAN_ARM) if kept is not None else ()) or fixed_plan(network)
    program = folder / "programs.add.xml"
    write_programs(network, plans, program, begin_s=case.begin_s)
    setup = TwinSetup(
        case=case, out=folder, program=program, leased=False, seed=spec.seed, scale=spec.scale, snapshot=True
    )
    city = SumoCity(setup, network)
    try:
        while city.observe(city.end_ms).now_ms < city.end_ms:
            pass
    finally:
        city.close()
    return read_struct(folder / SNAPSHOT_FILE, Snapshot)


def main() -> int:
    """Make the start that a file asks for."""
    try:
        make_start(read_struct(Path(sys.argv[1]), StartSpec))
    except CityloopError as error:
        print(f"cityloop: error: {' '.join(str(error).split())}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
