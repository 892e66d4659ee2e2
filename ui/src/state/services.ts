/** Emergency and refuse as they publish themselves: tables as rows, names of rows, and what of them has a place. */
import type { Placed } from "../api/frame";
import type { Scene, Thing, ThingKind } from "../map/scene";

export type Service = {
  domain: string;
  available: boolean;
  at_ms: number;
  tables: Record<string, { columns: Record<string, { unit: string; values: unknown }> }>;
  names: Record<string, string[]>;
};
export type Row = Record<string, number | null> & { row: number };

/** A table's columns as rows; a table that is not published has none. */
export function rowsOf(service: Service, table: string): Row[] {
  const columns = Object.entries(service.tables[table]?.columns ?? {}).map(
    ([name, { values }]) => [name, Array.isArray(values) ? (values as unknown[]) : [values]] as const,
  );
  const n = columns.reduce((most, [, values]) => Math.max(most, values.length), 0);
  return Array.from({ length: n }, (_, row) => {
    const made: Row = { row };
    for (const [name, values] of columns) {
      const value = values[row];
      made[name] = typeof value === "number" && Number.isFinite(value) ? value : typeof value === "boolean" ? Number(value) : null;
    }
    return made;
  });
}

export function nameOf(service: Service, kind: string, row: number | null | undefined): string {
  return row === null || row === undefined || row < 0 ? "–" : (service.names[kind]?.[row] ?? `${row + 1}`);
}

const NOWHERE = -32768;
/** Names that units and trucks go by, once a view has read them. */
export const names: Record<"unit" | "truck", string[]> = { unit: [], truck: [] };
let fills = new Uint8Array(0);

/** Move what the feed places: a unit or truck is drawn where it last said it was. */
export function placeMoving(scene: Scene, kind: "unit" | "truck", placed: Placed): void {
  const [x0, y0, x1, y1] = scene.box;
  const things: Thing[] = [];
  for (let i = 0; i < placed.x.length; i++) {
    if (placed.x[i] === NOWHERE) continue;
    const old = scene.things.find((thing) => thing.id === `${kind}s/${i}`);
    things.push({
      id: `${kind}s/${i}`,
      kind,
      label: names[kind][i] ?? old?.label ?? String(i + 1),
      x: x0 + ((placed.x[i] + 32767) / 65534) * (x1 - x0),
      y: y0 + ((placed.y[i] + 32767) / 65534) * (y1 - y0),
      level: kind === "unit" && placed.status[i] >= 2 && placed.status[i] <= 4 ? 2 : 0,
      detail: old?.detail ?? "",
    });
  }
  scene.things = [...scene.things.filter((thing) => thing.kind !== kind), ...things];
}

/** Take how full containers are, half a per cent a step. */
export function fillContainers(scene: Scene, fill: Uint8Array): void {
  fills = fill.slice();
  for (const thing of scene.things) {
    if (thing.kind !== "container") continue;
    thing.level = levelOf(fills[Number(thing.id.split("/")[1])] ?? 255);
  }
}

function levelOf(fill: number): 0 | 1 | 2 {
  return fill === 255 || fill < 150 ? 0 : fill < 200 ? 1 : 2;
}

/** Put a service's own things on the map in place of those that were there. */
export function placeThings(scene: Scene, kinds: readonly ThingKind[], things: Thing[]): void {
  scene.things = [...scene.things.filter((thing) => !kinds.includes(thing.kind)), ...things];
}
