/** Sensor health: how many can be trusted, which cannot, and why. */
import type { SensorHealth } from "../../api/types";
import { SensorTable } from "../../map/map-table";
import { Absent } from "../../parts/absent";
import { useFetched } from "../../parts/fetched";
import { go } from "../../state/route";
import { number, percent, t, term } from "../../words";

export function SensorsTab() {
  const { value, error } = useFetched<SensorHealth>("/sensors/health", 5000);
  if (error) return <Absent icon="signals" title={error.absent ? t("sensors.absent") : error.message} />;
  if (!value) return <Absent icon="signals" title={t("load.waiting")} />;
  if (value.total === 0) return <Absent icon="signals" title={t("sensors.none")} />;
  const states = Object.entries(value.by_state).sort((a, b) => b[1] - a[1]);
  return (
    <div class="panels">
      <section class="panel" aria-labelledby="states-title">
        <header>
          <h2 id="states-title">{t("sensors.states")}</h2>
          <span class="tag">{number(value.total)}</span>
        </header>
        <div class="bars">
          {states.map(([state, n]) => (
            <div key={state} class={`bar ${state === "good" ? "chosen" : ""}`}>
              <span>{term("sensorstate", state)}</span>
              <i style={{ width: `${Math.max(0.5, (n / value.total) * 100)}%` }} />
              <span class="num">
                {number(n)} · {percent(n / value.total)}
              </span>
            </div>
          ))}
        </div>
      </section>
      <section class="panel wide" aria-labelledby="exceptions-title">
        <header>
          <h2 id="exceptions-title">{t("map.exceptions")}</h2>
        </header>
        <SensorTable items={value.exceptions} onPick={(pick) => go("city", "", { sensor: String(pick.row) })} />
      </section>
    </div>
  );
}
