"""Run two controls of a district for five minutes each in the twin, and score their run folders.

Five minutes of one seed prove nothing; `cityloop compare` does it properly.
"""

from pathlib import Path

from cityloop.app import RunSpec, run
from cityloop.studies.scorecard import write_scorecard

for control in ("fixed", "brain"):
    folder = Path(control)
    run(RunSpec(city="adlershof", control=control, seed=1, end_s=300.0, out=folder))
    score = write_scorecard(folder)
    print(
        f"{control:<6} {score.vehicles.n} vehicles, mean delay {score.vehicles.delay_s:.1f} s, "
        f"{score.safety.unsafe} unsafe lamp states of {score.safety.opportunities} ({score.calibration})"
    )
