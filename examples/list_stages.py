"""Read a network and list what its signals may show: stages, and the change between two of them."""

from cityloop.cities.sumo.folder import resolve_city
from cityloop.cities.sumo.network import read_network
from cityloop.cities.sumo.transitions import transition_steps

case = resolve_city("adlershof")
network = read_network(case.net_file)
stages = network.assets.stages

row = 0
for junction, (tls_id, states) in enumerate(zip(network.tls_ids, network.stage_states, strict=True)):
    print(f"{tls_id[:40]}: {len(states)} stages")
    for number, state in enumerate(states):
        kind = "served" if stages.service[row] else "passed through"
        print(f"  {number}  {state}  {kind}, at least {stages.min_green_s[row]:g} s")
        row += 1
    served = [number for number in range(len(states)) if stages.service[row - len(states) + number]]
    if len(served) > 1:
        for lamps, lasts_s in transition_steps(network, junction, served[0], served[1]):
            print(f"     {lamps}  {lasts_s:g} s on the way from {served[0]} to {served[1]}")
