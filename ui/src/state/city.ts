/** The city as this page knows it: assets once, live values as the feed brings them. */
import { batch, signal } from "@preact/signals";
import { ApiError, endSession, get, getBytes } from "../api/client";
import { Feed, type FeedState } from "../api/feed";
import type { Frame } from "../api/frame";
import type { City, Geometry, Layout } from "../api/types";
import { CONTROL, coreOf, DELAY, emptyScene, linesOf, type Base, type Scene, type Sensors, type Shapes, type Stops, type Thing } from "../map/scene";
import type { Renderer } from "../map/renderer";
import { fillContainers, placeMoving } from "./services";

/** Room that a standing vehicle takes, gap included. */
const STANDING_M = 7.5;
/** Speed as a share of the limit, in the feed's half per cent: below each bound a road is of the worse class. */
const STOPPED_BELOW = 20;
const HEAVY_BELOW = 70;
const SLOW_BELOW = 130;
const UNKNOWN = 255;
const BEAT_MS = 500;
const RETRY_MS = 4000;

export const city = signal<City | null>(null);
export const layout = signal<Layout | null>(null);
export const feedState = signal<FeedState>("connecting");
/** Why the city could not be loaded, in the server's words. */
export const trouble = signal<string | null>(null);
export const nowMs = signal(0);
export const pace = signal(0);
export const unplugged = signal(false);
export const paused = signal(false);
/** Whether vehicles are drawn from the simulation's own truth. */
export const truthShown = signal(false);
/** Grows twice a second while frames come: what shows live numbers reads it. */
export const beat = signal(0);
export const frameBytes = signal(0);
export const scene = signal<Scene>(emptyScene());
export const sensorsWanted = signal(false);

export interface LiveJunctions {
  stage: Uint8Array;
  state: Uint8Array;
  stageS: Uint8Array;
  longestRedS: Uint8Array;
}
export interface LiveQueues {
  standing: Uint8Array;
  seen: Uint8Array;
  ageDs: Uint8Array;
}

export interface Live {
  junctions: LiveJunctions | null;
  queues: LiveQueues | null;
  share: Uint8Array | null;
  vehicles: number;
}

/** The last frame's columns, by row; read after `beat`. */
export const live: Live = { junctions: null, queues: null, share: null, vehicles: 0 };

const renderers = new Set<Renderer>();
let lastVehicles: { frame: Frame; at: number } | null = null;
let beatAt = 0;
let retry = 0;
/** Set while recorded frames are shown: live ones then only keep the clock of the connection. */
export const replaying = signal(false);

export function attach(renderer: Renderer): () => void {
  renderers.add(renderer);
  renderer.scene = scene.value;
  if (lastVehicles?.frame.vehicles && !replaying.value) {
    renderer.vehicles.take(lastVehicles.frame.vehicles, lastVehicles.at, lastVehicles.frame.vehicles.truth);
  }
  return () => renderers.delete(renderer);
}

const feed = new Feed({
  frame(frame, at) {
    if (!replaying.value) apply(frame, at);
    else if (frame.sensors) applySensors(frame);
  },
  state(state) {
    feedState.value = state;
  },
  unauthorised: endSession,
  layout(version) {
    if (layout.value && layout.value.version !== version) void load();
  },
});

function controlOf(state: number): number {
  if (state & 16) return CONTROL.dead;
  if (state & 4) return CONTROL.held;
  if (state & 8) return CONTROL.released;
  const mode = state & 3;
  return mode === 1 ? CONTROL.leased : mode === 2 ? CONTROL.back : CONTROL.plan;
}

function delayOf(share: number): number {
  if (share === UNKNOWN) return DELAY.unknown;
  if (share < STOPPED_BELOW) return DELAY.stopped;
  if (share < HEAVY_BELOW) return DELAY.heavy;
  return share < SLOW_BELOW ? DELAY.slow : DELAY.free;
}

/** Put what a frame tells of signals and roads into a scene; return whether the ground has to be painted again. */
export function paint(s: Scene, into: Live, frame: Frame): boolean {
  let ground = false;
  if (frame.lamps) s.lamp = frame.lamps;
  if (frame.junctions) {
    const { state } = frame.junctions;
    into.junctions = frame.junctions;
    for (let j = 0; j < Math.min(state.length, s.control.length); j++) {
      const control = controlOf(state[j]);
      if (s.control[j] !== control) {
        s.control[j] = control;
        ground = true;
      }
    }
  }
  // What sensors tell goes before the simulation's truth.
  const share = frame.edges?.share ?? frame.edgesTruth;
  if (share) {
    into.share = share;
    for (let e = 0; e < Math.min(share.length, s.delay.length); e++) {
      const worse = delayOf(share[e]);
      if (s.delay[e] !== worse) {
        s.delay[e] = worse;
        ground = true;
      }
    }
  }
  if (frame.queues) {
    into.queues = frame.queues;
    ground = applyQueues(s, frame.queues.standing) || ground;
  }
  if (frame.units) placeMoving(s, "unit", frame.units);
  if (frame.trucks) placeMoving(s, "truck", frame.trucks);
  return ground;
}

/** Take a frame, live or recorded, into the scene and the live columns. */
export function apply(frame: Frame, at: number): void {
  const s = scene.value;
  let ground = paint(s, live, frame);
  if (frame.sensors) ground = applySensors(frame) || ground;
  if (frame.containers) fillContainers(s, frame.containers);
  if (frame.vehicles) {
    lastVehicles = { frame, at };
    for (const r of renderers) r.vehicles.take(frame.vehicles, at, frame.vehicles.truth);
  }
  for (const r of renderers) {
    r.touch();
    if (ground) r.repaint("soon");
  }
  if (at - beatAt > BEAT_MS || frame.full) {
    beatAt = at;
    batch(() => {
      nowMs.value = frame.nowMs;
      pace.value = frame.pace;
      unplugged.value = frame.unplugged;
      paused.value = frame.paused;
      frameBytes.value = frame.bytes;
      if (frame.vehicles) {
        truthShown.value = frame.vehicles.truth;
        live.vehicles = [...renderers][0]?.vehicles.count ?? 0;
      }
      beat.value++;
    });
  }
}

function applyQueues(s: Scene, standing: Uint8Array): boolean {
  let changed = false;
  const longest = new Float32Array(s.queue.length);
  for (let a = 0; a < Math.min(standing.length, s.stops.edge.length); a++) {
    const edge = s.stops.edge[a];
    if (edge >= 0) longest[edge] = Math.max(longest[edge], standing[a] * STANDING_M);
  }
  for (let e = 0; e < longest.length; e++) if (longest[e] !== s.queue[e]) changed = true;
  s.queue = longest;
  return changed;
}

function applySensors(frame: Frame): boolean {
  const { sensors } = scene.value;
  if (!sensors || !frame.sensors) return false;
  const { row, state } = frame.sensors;
  for (let i = 0; i < row.length; i++) if (row[i] < sensors.state.length) sensors.state[row[i]] = state[i];
  return row.length > 0;
}

/** Fetch what does not change, then open the feed. */
export async function load(): Promise<void> {
  clearTimeout(retry);
  try {
    const [about, rows, shapes] = await Promise.all([
      get<City>("/city"),
      get<Layout>("/layout"),
      get<Geometry>("/geometry"),
    ]);
    batch(() => {
      trouble.value = null;
      city.value = about;
      nowMs.value = about.clock.now_ms;
      pace.value = about.clock.pace;
      layout.value = rows;
      scene.value = sceneOf(about, rows, shapes);
    });
    for (const r of renderers) {
      r.scene = scene.value;
      r.repaint("now");
    }
    feed.open();
    if (sensorsWanted.value) await loadSensors();
  } catch (error) {
    trouble.value = error instanceof Error ? error.message : String(error);
    // A server that is just starting, or a network that comes back, needs no hand; a refusal stays as it is.
    const refused = error instanceof ApiError && error.status >= 400 && error.status < 500;
    if (!refused) retry = window.setTimeout(() => void load(), RETRY_MS);
  }
}

function sceneOf(about: City, rows: Layout, g: Geometry): Scene {
  const [x0, y0] = g.bbox;
  const shapes = linesOf(g.edges.map((edge) => edge[3]), x0, y0, g.unit_m);
  const linkPaths = linesOf(g.links.map((link) => link[1]), x0, y0, g.unit_m);
  const link = Int32Array.from(g.links, ([row]) => row);
  const ways: Shapes = {
    ...shapes,
    kind: Uint8Array.from(g.edges, ([, kind]) => kind),
    width: Float32Array.from(g.edges, ([, , width]) => width * 0.1),
    edge: Int32Array.from(g.edges, ([row]) => row),
  };
  return {
    ...emptyScene(),
    box: about.bbox,
    core: coreOf(ways, about.bbox),
    base: baseOf(g),
    shapes: ways,
    outlines: linesOf(g.junctions, x0, y0, g.unit_m),
    linkPaths: { ...linkPaths, link },
    stops: stopsOf(rows),
    tracks: scene.peek().tracks.filter((track) => track.kind === "ghost"),
    junctionX: Float32Array.from(rows.junctions, (j) => j.x_m),
    junctionY: Float32Array.from(rows.junctions, (j) => j.y_m),
    junctionNames: rows.junctions.map((j) => j.label || j.name),
    streets: rows.edges.map((e) => e.street),
    edgeNames: rows.edges.map((e) => e.name),
    delay: new Uint8Array(rows.edges.length),
    control: new Uint8Array(rows.junctions.length),
    lamp: new Uint8Array(rows.links.length),
    queue: new Float32Array(rows.edges.length),
  };
}

function baseOf(g: Geometry): Base {
  const base = g.base ?? [];
  const rings = base.flatMap(([, all]) => all);
  const [x0, y0] = g.bbox;
  return {
    ...linesOf(rings, x0, y0, g.unit_m),
    kind: Uint8Array.from(base.flatMap(([kind, all]) => all.map(() => kind))),
    shape: Int32Array.from(base.flatMap(([, all], number) => all.map(() => number))),
    attribution: g.base_attribution ?? "",
  };
}

function stopsOf(rows: Layout): Stops {
  return { edge: Int32Array.from(rows.approaches, (a) => a.edge) };
}

/** All sensors at once, a few bytes each; asked for only when somebody wants to see them. */
export async function loadSensors(): Promise<void> {
  sensorsWanted.value = true;
  const bytes = await getBytes("/sensors.bin");
  const n = new DataView(bytes).getUint32(0, true);
  const [qx, qy] = [new Int16Array(bytes, 8, n), new Int16Array(bytes, 8 + 2 * n, n)];
  const [x0, y0, x1, y1] = scene.value.box;
  const sensors: Sensors = {
    x: Float32Array.from(qx, (q) => x0 + ((q + 32767) / 65534) * (x1 - x0)),
    y: Float32Array.from(qy, (q) => y0 + ((q + 32767) / 65534) * (y1 - y0)),
    kind: new Uint8Array(bytes, 8 + 4 * n, n),
    state: new Uint8Array(bytes.slice(8 + 5 * n, 8 + 6 * n)),
  };
  scene.value.sensors = sensors;
  for (const r of renderers) r.repaint("now");
  feed.ask(WANTED_WITH_SENSORS);
}

const WANTED_WITH_SENSORS = [
  "vehicles",
  "lamps",
  "junctions",
  "queues",
  "edges",
  "units",
  "trucks",
  "containers",
  "sensors",
];

/** Put alerts that have a place on the map, in place of those that were there. */
export function placeAlerts(things: Thing[]): void {
  const s = scene.value;
  s.things = [...s.things.filter((thing) => thing.kind !== "alert"), ...things];
}

export function repaintAll(): void {
  for (const r of renderers) r.repaint("now");
}
