/** Emergency and Refuse: a domain's published view on the map and as tables, or plain words that nothing is connected. */
import { useEffect, useState } from "preact/hooks";
import type { DomainView } from "../api/types";
import { MapView } from "../map/map-view";
import type { LayerName } from "../map/layers";
import type { Thing, ThingKind } from "../map/scene";
import { Absent } from "../parts/absent";
import { useFetched } from "../parts/fetched";
import { DataTable, type Cell, type Column } from "../parts/table";
import { scene } from "../state/city";
import { figure, hasTerm, t, term, type Word } from "../words";

type Domain = "emergency" | "refuse";

const OFFERED: Record<Domain, readonly LayerName[]> = {
  emergency: ["roads", "signals", "units", "alerts", "labels"],
  refuse: ["roads", "refuse", "alerts", "labels"],
};
/** Tables whose rows have a place, and the mark that they are drawn with. */
const MARKS: Record<string, ThingKind> = {
  units: "unit",
  calls: "call",
  trucks: "truck",
  containers: "container",
};

export function DomainPage({ domain }: { domain: Domain }) {
  const { value, error } = useFetched<DomainView>(`/${domain}`, 2000);
  const connected = value?.available === true;
  const [picked, setPicked] = useState<string | null>(null);
  useEffect(() => {
    if (value) place(domain, value);
  }, [value]);
  if (!connected) {
    const waiting = !value && !error;
    return (
      <div class="view one">
        <section class="middle" aria-label={t(`view.${domain}`)}>
          <Absent icon={domain} title={t(waiting ? "load.waiting" : (`${domain}.absent` as Word))}>
            {!waiting && (
              <>
                <p>{t(`${domain}.absent_why` as Word)}</p>
                {error && !error.absent && <p class="note bad">{error.message}</p>}
              </>
            )}
          </Absent>
        </section>
      </div>
    );
  }
  return (
    <div class="view">
      <div class="mapcolumn">
        <MapView label={t("map.of_domain", { domain: t(`view.${domain}`) })} offered={OFFERED[domain]} onPick={(p) => setPicked(p.id)} />
      </div>
      <aside class="side" aria-label={t(`view.${domain}`)}>
        {Object.entries(value.tables).map(([name, table]) => (
          <section key={name} class="block" aria-label={titleOf(name)}>
            <header>
              <h2>{titleOf(name)}</h2>
              <span class="tag">{table.rows.length}</span>
            </header>
            <DomainTable name={name} table={table} picked={picked} />
          </section>
        ))}
      </aside>
    </div>
  );
}

function titleOf(name: string): string {
  return hasTerm("table_of", name) ? term("table_of", name) : name.replaceAll("_", " ");
}

function DomainTable({ name, table, picked }: { name: string; table: DomainView["tables"][string]; picked: string | null }) {
  const fields = Object.entries(table.columns);
  const columns: Column<unknown[]>[] = fields.map(([field, { unit }], i) => ({
    key: field,
    label: `${field.replace(/_(s|m|ms|kg|veh|frac|mps)$/, "").replaceAll("_", " ")}${unit && unit !== "1" ? ` [${unit}]` : ""}`,
    numeric: table.rows.some((row) => typeof row[i] === "number"),
    get: (row) => row[i] as Cell,
    show: (row) => (typeof row[i] === "number" ? figure(row[i]) : typeof row[i] === "object" && row[i] ? JSON.stringify(row[i]) : String(row[i] ?? "–")),
  }));
  const rows = table.rows;
  return (
    <DataTable
      caption={titleOf(name)}
      columns={columns}
      rows={rows}
      rowKey={(row) => rows.indexOf(row)}
      selected={picked?.startsWith(`${name}/`) ? Number(picked.split("/")[1]) : null}
      filter={rows.length > 12}
      page={50}
    />
  );
}

/** Put the rows that have a place on the map. */
function place(domain: Domain, view: DomainView): void {
  const mine: readonly ThingKind[] = domain === "emergency" ? ["unit", "call"] : ["truck", "container"];
  const things: Thing[] = [];
  for (const [name, table] of Object.entries(view.tables)) {
    const kind = MARKS[name];
    const fields = Object.keys(table.columns);
    const [ix, iy] = [fields.indexOf("x_m"), fields.indexOf("y_m")];
    if (!kind || ix < 0 || iy < 0) continue;
    const label = fields.findIndex((field) => field === "name" || field === "id");
    table.rows.forEach((row, i) => {
      const [x, y] = [Number(row[ix]), Number(row[iy])];
      if (!Number.isFinite(x) || !Number.isFinite(y)) return;
      const detail = fields
        .map((field, k) => `${field.replaceAll("_", " ")}: ${String(row[k] ?? "–")}`)
        .filter((_, k) => k !== ix && k !== iy)
        .slice(0, 4)
        .join(", ");
      things.push({ id: `${name}/${i}`, kind, label: String(label >= 0 ? row[label] : i), x, y, level: 0, detail });
    });
  }
  const s = scene.value;
  s.things = [...s.things.filter((thing) => !mine.includes(thing.kind)), ...things];
}
