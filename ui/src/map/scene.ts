/** What the map can show: the city's own assets and their live values, as typed arrays. */
import type { Box } from "./camera";

/** Delay classes of a road, greater is worse; 0 means that nothing is known of it. */
export const DELAY = { unknown: 0, free: 1, slow: 2, heavy: 3, stopped: 4 } as const;

/** Marks of a junction, told apart by shape. */
export const CONTROL = { plan: 0, leased: 1, back: 2, held: 3, released: 4, dead: 5 } as const;

export const SHAPE = { road: 0, rail: 1, foot: 2, crossing: 3 } as const;

/** Many polylines in one array: points of line `i` are `start[i]` to `start[i + 1]`. */
export interface Lines {
  start: Int32Array;
  /** x, y in metres, one pair a point. */
  points: Float32Array;
  /** minX, minY, maxX, maxY a line. */
  boxes: Float32Array;
}

export interface Shapes extends Lines {
  kind: Uint8Array;
  width: Float32Array;
  /** Row of the edge, -1 for a crossing. */
  edge: Int32Array;
}

export interface LinkPaths extends Lines {
  link: Int32Array;
}

/** What a shape of the basemap is, in the order of drawing. */
export const BASE = { land: 0, green: 1, water: 2, building: 3, waterway: 4, line: 5 } as const;

/** Shapes under the network; rings of the same shape follow one another. */
export interface Base extends Lines {
  kind: Uint8Array;
  /** Number of the shape that a ring belongs to. */
  shape: Int32Array;
  attribution: string;
}

/** Signal-controlled approaches, one row each. */
export interface Stops {
  /** Row of the edge that the approach is part of. */
  edge: Int32Array;
}

export interface Sensors {
  x: Float32Array;
  y: Float32Array;
  kind: Uint8Array;
  /** 0 good, 1 suspect, 2 bad, 3 silent, 4 flat-lined, 5 jumping, 255 never heard. */
  state: Uint8Array;
}

export type ThingKind = "unit" | "truck" | "container" | "call" | "site" | "zone" | "alert";

/** Things with a place: units, trucks, containers, calls, alerts. */
export interface Thing {
  id: string;
  kind: ThingKind;
  label: string;
  x: number;
  y: number;
  /** 0 ordinary, 1 notable, 2 urgent. */
  level: 0 | 1 | 2;
  detail: string;
}

export interface Track {
  id: string;
  kind: "corridor" | "route" | "ghost";
  points: Float32Array;
  /** Of a ghost: whether more or less time would be lost there, or nobody could pass; or what stands there is changed. */
  change?: "worse" | "better" | "closed" | "at";
  /** Of a ghost: how wide, by how much. */
  width?: number;
}

export interface Scene {
  /** The box that the feed's positions are counted in. */
  box: Box;
  /** Where the roads are: what the whole city is fitted to. */
  core: Box;
  base: Base;
  shapes: Shapes;
  outlines: Lines;
  linkPaths: LinkPaths;
  stops: Stops;
  junctionX: Float32Array;
  junctionY: Float32Array;
  junctionNames: readonly string[];
  streets: readonly string[];
  edgeNames: readonly string[];
  /** A delay class an edge row. */
  delay: Uint8Array;
  /** A `CONTROL` a junction. */
  control: Uint8Array;
  /** A lamp a link, as the feed sends them. */
  lamp: Uint8Array;
  /** Metres of standing queue an edge row. */
  queue: Float32Array;
  sensors: Sensors | null;
  things: Thing[];
  tracks: Track[];
}

const NONE = new Float32Array(0);
const NO_LINES: Lines = { start: new Int32Array(1), points: NONE, boxes: NONE };

export function emptyScene(): Scene {
  return {
    box: [0, 0, 1000, 1000],
    core: [0, 0, 1000, 1000],
    base: { ...NO_LINES, kind: new Uint8Array(0), shape: new Int32Array(0), attribution: "" },
    shapes: { ...NO_LINES, kind: new Uint8Array(0), width: NONE, edge: new Int32Array(0) },
    outlines: NO_LINES,
    linkPaths: { ...NO_LINES, link: new Int32Array(0) },
    stops: { edge: new Int32Array(0) },
    junctionX: NONE,
    junctionY: NONE,
    junctionNames: [],
    streets: [],
    edgeNames: [],
    delay: new Uint8Array(0),
    control: new Uint8Array(0),
    lamp: new Uint8Array(0),
    queue: NONE,
    sensors: null,
    things: [],
    tracks: [],
  };
}

/** The box round all roads; a railway that runs far out of the city does not shrink the rest. */
export function coreOf(shapes: Shapes, whole: Box): Box {
  let [minX, minY, maxX, maxY] = [Infinity, Infinity, -Infinity, -Infinity];
  for (let i = 0; i < shapes.kind.length; i++) {
    if (shapes.kind[i] !== SHAPE.road) continue;
    minX = Math.min(minX, shapes.boxes[i * 4]);
    minY = Math.min(minY, shapes.boxes[i * 4 + 1]);
    maxX = Math.max(maxX, shapes.boxes[i * 4 + 2]);
    maxY = Math.max(maxY, shapes.boxes[i * 4 + 3]);
  }
  return minX < maxX && minY < maxY ? [minX, minY, maxX, maxY] : whole;
}

/** Join polylines given as decimetre deltas from the corner of the box. */
export function linesOf(coded: readonly (readonly number[])[], x0: number, y0: number, unit: number): Lines {
  const start = new Int32Array(coded.length + 1);
  let total = 0;
  coded.forEach((line, i) => {
    total += line.length >> 1;
    start[i + 1] = total;
  });
  const points = new Float32Array(total * 2);
  const boxes = new Float32Array(coded.length * 4);
  coded.forEach((line, i) => {
    let [x, y] = [0, 0];
    let [minX, minY, maxX, maxY] = [Infinity, Infinity, -Infinity, -Infinity];
    for (let k = 0; k + 1 < line.length; k += 2) {
      x += line[k];
      y += line[k + 1];
      const [mx, my] = [x0 + x * unit, y0 + y * unit];
      points[start[i] * 2 + k] = mx;
      points[start[i] * 2 + k + 1] = my;
      minX = Math.min(minX, mx);
      maxX = Math.max(maxX, mx);
      minY = Math.min(minY, my);
      maxY = Math.max(maxY, my);
    }
    boxes.set([minX, minY, maxX, maxY], i * 4);
  });
  return { start, points, boxes };
}
