"""Lead the toy city live over a link that loses a tenth of all messages, in simulated time."""

from cityloop.app import brain_of
from cityloop.app.field_agent import LinkFaults
from cityloop.app.live_loopback import BEGIN_MS, live_loopback
from cityloop.cities.toy.assets import ToyParams
from cityloop.cities.toy.city import ToyCity
from cityloop.engine.inline import InlineEngine, LoopParams
from cityloop.storage.memory import MemoryStore

field = ToyCity(ToyParams(end_s=300))
faults = LinkFaults(loss=0.1, delay_s=0.1, jitter_s=0.3, seed=1)
city, link = live_loopback(field, faults=faults, transit_ms=20, settle_ms=300)
params = LoopParams(begin_ms=BEGIN_MS + 300, end_ms=BEGIN_MS + 300_300)
report = InlineEngine(city, brain_of("brain"), MemoryStore(), params).run()
print(f"{report.commands} leases sent, {link.field.leases} arrived, {link.lost} messages lost in all")
print(f"{city.unanswered} leases unanswered; delay of all vehicles {field.total_delay_s():.0f} s")
