"""Turn the loop by hand (observe, tick, act) on the toy city, and measure what the domains published."""

from cityloop.app import brain_of
from cityloop.cities.toy.city import ToyCity
from cityloop.domains.signals import measure as signals
from cityloop.domains.traffic import measure as traffic
from cityloop.kernel.tick import start, tick

PERIOD_S = 1.0

city, brain = ToyCity(), brain_of("brain")
layout = city.layout()
state = start(brain, layout, 0)
views, ended = [], False
while not ended:
    seen = city.observe(1000 * (len(views) + 1))
    ticked = tick(brain, state, seen.batch, (), seen.now_ms)
    city.apply(ticked.commands)
    state, ended = ticked.state, seen.ended
    views.append(state.views)
city.close()

shown = signals.score(layout.tables["signals"], [view["signals"] for view in views], PERIOD_S)
moved = traffic.score([view["traffic"] for view in views], PERIOD_S)
print(f"{shown.changes_per_h:.0f} changes an hour, {shown.intergreen_frac:.0%} of the time between stages")
print(f"longest red {shown.longest_red_s:.0f} s")
print(f"{moved.flow_vph:.0f} vehicles an hour, {moved.standing_veh:.1f} standing on average")
