/** Where both worlds of a what-if began: what was taken from the running city, what was not, and how near it came. */
import type { Started } from "../../api/jobs";
import { DataTable, type Column } from "../../parts/table";
import { Told } from "../../parts/why";
import { clock, figure, t, term } from "../../words";

type Fewer = Started["fewer"][number];

export function BeginPart({ start }: { start: Started }) {
  const columns: Column<Fewer>[] = [
    { key: "lane", label: t("whatif.lane"), get: (one) => one.lane },
    { key: "estimated", label: t("whatif.estimated"), numeric: true, get: (one) => one.estimated },
    { key: "placed", label: t("whatif.placed"), numeric: true, get: (one) => one.placed },
    { key: "why", label: t("col.reason"), get: (one) => one.why, show: (one) => term("start_why", one.why) },
  ];
  return (
    <div class="stack">
      <p class="small">
        {t("whatif.from_seen", {
          placed: figure(start.placed_veh),
          covered: figure(start.covered),
          all: figure(start.approaches),
          estimated: figure(start.estimated_veh),
          time: clock(start.at_ms),
          off: figure(start.off_veh),
          worst: figure(start.worst_off_veh),
        })}
      </p>
      {!start.alike && <p class="note bad">{t("whatif.from_unlike")}</p>}
      <details>
        <summary>{t("whatif.from")}</summary>
        <ul class="small">
          <li>{t("whatif.from_driven", { driven: figure(start.driven_veh), vehicles: figure(start.vehicles), walkers: figure(start.walkers) })}</li>
          {start.not_covered.map((one) => (
            <li key={one.why}>
              {t("whatif.from_not", { n: figure(one.approaches), why: term("start_why", one.why) })}
            </li>
          ))}
          <li>{t("whatif.from_stages", { n: figure(start.stages), all: figure(start.junctions) })}</li>
          <li>
            {t("whatif.from_services", { units: figure(start.units), calls: figure(start.calls), trucks: figure(start.trucks), acts: figure(start.acts) })}
          </li>
          {start.refused > 0 && <li>{t("whatif.from_refused", { n: figure(start.refused) })}</li>}
          {start.stands_in && (
            <li>
              {t("whatif.from_stands")} <Told text={start.stands_in} />
            </li>
          )}
          <li>{t("whatif.from_after")}</li>
          {start.alike && <li>{t("whatif.from_alike")}</li>}
        </ul>
        {start.fewer.length > 0 && (
          <DataTable
            caption={t("whatif.from_fewer", { n: figure(start.fewer_in_all) })}
            columns={columns}
            rows={start.fewer}
            rowKey={(one) => one.lane}
            page={20}
          />
        )}
      </details>
    </div>
  );
}
