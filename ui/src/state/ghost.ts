/** The ghost of a what-if on the map: where its change would move lost time. */
import { signal } from "@preact/signals";
import type { Job } from "../api/types";
import type { Track } from "../map/scene";
import { repaintAll, scene } from "./city";

const WIDEST_PX = 12;
const RING_M = 30;

/** The run whose ghost is shown. */
export const ghostOf = signal<string | null>(null);

export function showGhost(job: Job | null): void {
  const s = scene.value;
  const rest = s.tracks.filter((track) => track.kind !== "ghost");
  const ghost = job?.result?.ghost;
  ghostOf.value = ghost && job ? job.id : null;
  s.tracks = ghost ? [...rest, ...ghostTracks(ghost)] : rest;
  repaintAll();
}

/** A ring round a place that is changed without an edge of its own: a station, a junction's plan. */
function ring(x: number, y: number): Float32Array {
  const points = new Float32Array(2 * 33);
  for (let k = 0; k < 33; k++) points.set([x + RING_M * Math.cos((k * Math.PI) / 16), y + RING_M * Math.sin((k * Math.PI) / 16)], k * 2);
  return points;
}

function ghostTracks(ghost: { edges: [number, number][]; closed: number | null; at?: [number, number][] }): Track[] {
  const { shapes } = scene.value;
  const lines = new Map<number, Float32Array[]>();
  for (let i = 0; i < shapes.edge.length; i++) {
    const points = shapes.points.slice(shapes.start[i] * 2, shapes.start[i + 1] * 2);
    const same = lines.get(shapes.edge[i]);
    if (same) same.push(points);
    else lines.set(shapes.edge[i], [points]);
  }
  const most = Math.max(1, ...ghost.edges.map(([, change]) => Math.abs(change)));
  const made = ghost.edges.flatMap(([edge, change]) =>
    (lines.get(edge) ?? []).map((points): Track => ({
      id: `ghost/${edge}`,
      kind: "ghost",
      points,
      change: change > 0 ? "worse" : "better",
      width: 3 + (WIDEST_PX - 3) * Math.sqrt(Math.abs(change) / most),
    })),
  );
  const closed = ghost.closed === null ? [] : (lines.get(ghost.closed) ?? []);
  return [
    ...made,
    ...closed.map((points): Track => ({ id: "ghost/closed", kind: "ghost", points, change: "closed" })),
    ...(ghost.at ?? []).map(([x, y], i): Track => ({ id: `ghost/at/${i}`, kind: "ghost", points: ring(x, y), change: "at" })),
  ];
}
