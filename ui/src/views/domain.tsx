/** Emergency and Refuse: a domain's published view on the map and as tables, or plain words that nothing is connected. */
import { useEffect, useMemo, useState } from "preact/hooks";
import type { DomainView, ViewTable } from "../api/types";
import { MapView } from "../map/map-view";
import type { LayerName } from "../map/layers";
import type { Thing, ThingKind } from "../map/scene";
import { Absent } from "../parts/absent";
import { useFetched } from "../parts/fetched";
import { DataTable, type Cell, type Column } from "../parts/table";
import { city, scene } from "../state/city";
import { dayAndClock, figure, hasTerm, t, term, type Word } from "../words";

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
  const about = city.value;
  const offered = about?.domains.includes(domain) ?? false;
  const { value, error } = useFetched<DomainView>(offered ? `/views/${domain}` : null, 2000);
  const [picked, setPicked] = useState<string | null>(null);
  const tables = useMemo(() => (value ? tablesOf(value, domain) : []), [value]);
  useEffect(() => {
    if (tables.length) place(domain, tables);
  }, [tables]);
  if (!tables.length) {
    const waiting = !about || (offered && !value && !error);
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
        {tables.map((table) => (
          <section key={table.name} class="block" aria-label={titleOf(table.name)}>
            <header>
              <h2>{titleOf(table.name)}</h2>
              <span class="tag">{table.rows.length}</span>
            </header>
            <DomainTable table={table} picked={picked} />
          </section>
        ))}
      </aside>
    </div>
  );
}

function titleOf(name: string): string {
  return hasTerm("table_of", name) ? term("table_of", name) : name.replaceAll("_", " ");
}

interface Table {
  name: string;
  fields: { name: string; unit: string }[];
  rows: unknown[][];
}

/** Columns of equal length make one table; a lone figure makes a table of one row. */
function tablesOf(view: DomainView, domain: string): Table[] {
  const found: Table[] = [];
  const take = (name: string, table: ViewTable) => {
    const byLength = new Map<number, [string, string, unknown[]][]>();
    for (const [field, { unit, values }] of Object.entries(table.columns)) {
      const column = Array.isArray(values) ? (values as unknown[]) : [values];
      const same = byLength.get(column.length);
      if (same) same.push([field, unit, column]);
      else byLength.set(column.length, [[field, unit, column]]);
    }
    [...byLength.entries()].forEach(([length, columns], i) => {
      found.push({
        name: i ? `${name} · ${columns[0][0]}` : name,
        fields: columns.map(([field, unit]) => ({ name: field, unit })),
        rows: Array.from({ length }, (_, row) => columns.map(([, , column]) => column[row])),
      });
    });
    for (const [inner, body] of Object.entries(table.tables ?? {})) take(inner, body);
  };
  const { tables } = view;
  if ("columns" in tables) take(domain, tables as ViewTable);
  else for (const [name, table] of Object.entries(tables as Record<string, ViewTable>)) take(name, table);
  return found;
}

function DomainTable({ table, picked }: { table: Table; picked: string | null }) {
  const columns: Column<unknown[]>[] = table.fields.map(({ name: field, unit }, i) => ({
    key: field,
    label: `${field.replace(/_(s|m|ms|kg|veh|frac|mps)$/, "").replaceAll("_", " ")}${unit && unit !== "1" ? ` [${unit}]` : ""}`,
    numeric: table.rows.some((row) => typeof row[i] === "number"),
    get: (row) => row[i] as Cell,
    show: (row) => textOf(field, row[i]),
  }));
  const rows = table.rows;
  return (
    <DataTable
      caption={titleOf(table.name)}
      columns={columns}
      rows={rows}
      rowKey={(row) => rows.indexOf(row)}
      selected={picked?.startsWith(`${table.name}/`) ? Number(picked.split("/")[1]) : null}
      filter={rows.length > 12}
      page={50}
    />
  );
}

function textOf(field: string, value: unknown): string {
  if (typeof value === "number") return field.endsWith("_ms") ? dayAndClock(value) : figure(value);
  if (typeof value === "boolean") return t(value ? "yes" : "no");
  return value === null || value === undefined ? "–" : typeof value === "object" ? JSON.stringify(value) : String(value);
}

/** Put the rows that have a place on the map. */
function place(domain: Domain, tables: readonly Table[]): void {
  const mine: readonly ThingKind[] = domain === "emergency" ? ["unit", "call"] : ["truck", "container"];
  const things: Thing[] = [];
  for (const { name, fields, rows } of tables) {
    const kind = MARKS[name];
    const at = (field: string) => fields.findIndex((one) => one.name === field);
    const [ix, iy] = [at("x_m"), at("y_m")];
    if (!kind || ix < 0 || iy < 0) continue;
    const label = Math.max(at("name"), at("id"));
    rows.forEach((row, i) => {
      const [x, y] = [Number(row[ix]), Number(row[iy])];
      if (!Number.isFinite(x) || !Number.isFinite(y)) return;
      const detail = fields
        .flatMap((field, k) => (k === ix || k === iy ? [] : [`${field.name.replaceAll("_", " ")}: ${textOf(field.name, row[k])}`]))
        .slice(0, 4)
        .join(", ");
      things.push({ id: `${name}/${i}`, kind, label: String(label >= 0 ? row[label] : i + 1), x, y, level: 0, detail });
    });
  }
  const s = scene.value;
  s.things = [...s.things.filter((thing) => !mine.includes(thing.kind)), ...things];
}
