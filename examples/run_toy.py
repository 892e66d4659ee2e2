"""Run the brain on the toy city, one junction without SUMO, and prove that its journal replays."""

from pathlib import Path

from cityloop.app import RunSpec, replay, run

result = run(RunSpec(city="toy", control="brain", seed=1, out=Path("toy-brain")))
print(f"{result.steps} steps, {result.decisions} decisions, digest {result.decisions_digest[:12]}")

again = replay(result.run_dir)
print(f"replayed {again.decisions} decisions from the recorded readings, digest {again.decisions_digest[:12]}")
