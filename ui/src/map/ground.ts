/** Paints what seldom changes: roads by delay, queues, sensors, junction marks, names. Yields between slices. */
import type { Camera } from "./camera";
import { Glyphs } from "./glyphs";
import { palette, pixelOf, type Palette } from "./palette";
import { alongText, placeJunctions, Room, spotsOfThings, type JunctionMark } from "./labels";
import type { Painter } from "./sheet";
import { BASE, CONTROL, SHAPE, type Base, type Lines, type Scene, type Sensors } from "./scene";
import type { Layers } from "./layers";

const SLICE = 700;
/** Pixels added to a road by its delay class, so that a worse road is a wider one as well. */
const EXTRA_PX = [0, 0, 1, 2, 3];
const LEAST_PX = [1, 1.4, 2, 2.6, 3.4];

function outside(box: Float32Array, i: number, west: number, south: number, east: number, north: number): boolean {
  const at = i * 4;
  return box[at] > east || box[at + 2] < west || box[at + 1] > north || box[at + 3] < south;
}

function trace(ctx: CanvasRenderingContext2D, lines: Lines, i: number, v: Camera): void {
  const { points, start } = lines;
  const end = start[i + 1] * 2;
  let k = start[i] * 2;
  ctx.moveTo(v.sx(points[k]), v.sy(points[k + 1]));
  for (k += 2; k < end; k += 2) ctx.lineTo(v.sx(points[k]), v.sy(points[k + 1]));
}

interface Extent {
  west: number;
  south: number;
  east: number;
  north: number;
}

function extentOf(v: Camera): Extent {
  return { west: v.wx(0), south: v.wy(v.height), east: v.wx(v.width), north: v.wy(0) };
}

export function groundPainter(scene: () => Scene, layers: () => Layers): Painter {
  return function* paint(ctx, v) {
    const p = palette();
    const s = scene();
    const on = layers();
    const ext = extentOf(v);
    ctx.fillStyle = p.ground;
    ctx.fillRect(0, 0, v.width, v.height);
    if (on.base && s.base.kind.length) yield* paintBase(ctx, v, s.base, p, ext);
    if (v.scale > 0.25) yield* paintOutlines(ctx, v, s, p, ext);
    yield* paintWays(ctx, v, s, p, ext);
    const wrong = on.sensors && s.sensors ? paintSensors(ctx, v, s.sensors, p, ext) : [];
    yield;
    yield* paintRoads(ctx, v, s, p, ext, on.roads);
    if (on.queues) paintQueues(ctx, v, s, p, ext);
    if (s.sensors && wrong.length) paintWrongSensors(ctx, v, s.sensors, p, wrong);
    const room = new Room();
    room.take(spotsOfThings(v, s, on));
    ctx.font = JUNCTION_FONT;
    // Junctions' names are placed first and painted last: a street is named again farther on, a junction is not.
    const marks = on.signals ? placeJunctions(ctx, v, s, room, on.labels && v.scale > 0.2) : [];
    if (on.labels && v.scale > 0.16) {
      yield;
      paintStreets(ctx, v, s, p, ext, room);
    }
    yield;
    paintJunctions(ctx, s, p, marks);
  };
}

/** What lies under the network: areas filled, holes left open; buildings only where they can be told apart. */
function* paintBase(ctx: CanvasRenderingContext2D, v: Camera, base: Base, p: Palette, e: Extent): Generator<void> {
  const ink = [p.land, p.green_area, p.water, p.building, p.water, p.land];
  for (const kind of Object.values(BASE)) {
    if (kind === BASE.building && v.scale < 0.1) continue;
    const filled = kind === BASE.green || kind === BASE.water || kind === BASE.building;
    ctx.fillStyle = ctx.strokeStyle = ink[kind];
    ctx.lineWidth = kind === BASE.waterway ? Math.max(1.5, 4 * v.scale) : 1;
    // Buildings do not overlap and go many at a time. A park may lie in a wood: filled together they would cancel out.
    const together = kind === BASE.green || kind === BASE.water ? 1 : SLICE;
    const finish = () => (filled ? ctx.fill("evenodd") : ctx.stroke());
    let [held, drawn, last] = [0, 0, -1];
    ctx.beginPath();
    for (let i = 0; i < base.kind.length; i++) {
      if (base.kind[i] !== kind || outside(base.boxes, i, e.west, e.south, e.east, e.north)) continue;
      // A path ends between two shapes only: the rings of one are filled together, so that its holes stay open.
      if (held >= together && base.shape[i] !== last) {
        finish();
        ctx.beginPath();
        held = 0;
        if (drawn > SLICE) {
          drawn = 0;
          yield;
        }
      }
      trace(ctx, base, i, v);
      if (filled) ctx.closePath();
      last = base.shape[i];
      held++;
      drawn++;
    }
    if (held) finish();
    yield;
  }
}

function* paintOutlines(ctx: CanvasRenderingContext2D, v: Camera, s: Scene, p: Palette, e: Extent): Generator<void> {
  const { outlines } = s;
  ctx.fillStyle = p.road;
  ctx.globalAlpha = 0.55;
  ctx.beginPath();
  for (let i = 0; i < outlines.start.length - 1; i++) {
    if (outside(outlines.boxes, i, e.west, e.south, e.east, e.north)) continue;
    trace(ctx, outlines, i, v);
    ctx.closePath();
  }
  ctx.fill();
  ctx.globalAlpha = 1;
  yield;
}

/** Rails dashed, footways thin, crossings striped: only as close as they can be told apart. */
function* paintWays(ctx: CanvasRenderingContext2D, v: Camera, s: Scene, p: Palette, e: Extent): Generator<void> {
  const { shapes } = s;
  for (const kind of [SHAPE.foot, SHAPE.rail, SHAPE.crossing]) {
    if (v.scale < (kind === SHAPE.rail ? 0.05 : kind === SHAPE.foot ? 0.35 : 1)) continue;
    ctx.beginPath();
    let some = false;
    for (let i = 0; i < shapes.kind.length; i++) {
      if (shapes.kind[i] !== kind || outside(shapes.boxes, i, e.west, e.south, e.east, e.north)) continue;
      trace(ctx, shapes, i, v);
      some = true;
    }
    if (!some) continue;
    ctx.strokeStyle = p.road;
    ctx.lineWidth = kind === SHAPE.crossing ? Math.max(2, 3 * v.scale) : kind === SHAPE.rail ? 1.6 : 1;
    ctx.globalAlpha = kind === SHAPE.foot ? 0.5 : 1;
    ctx.setLineDash(kind === SHAPE.rail ? [6, 3] : kind === SHAPE.crossing ? [0.5 * v.scale, 0.5 * v.scale] : []);
    ctx.stroke();
    ctx.setLineDash([]);
    ctx.globalAlpha = 1;
    yield;
  }
}

function* paintRoads(
  ctx: CanvasRenderingContext2D,
  v: Camera,
  s: Scene,
  p: Palette,
  e: Extent,
  byDelay: boolean,
): Generator<void> {
  const { shapes, delay } = s;
  // One path for each class and width in whole pixels: a few dozen strokes for any city.
  const groups = new Map<number, number[]>();
  for (let i = 0; i < shapes.kind.length; i++) {
    if (shapes.kind[i] !== SHAPE.road || outside(shapes.boxes, i, e.west, e.south, e.east, e.north)) continue;
    const edge = shapes.edge[i];
    const worse = byDelay && edge >= 0 ? (delay[edge] ?? 0) : 0;
    const width = Math.max(LEAST_PX[worse], Math.round(shapes.width[i] * v.scale * 0.9)) + EXTRA_PX[worse] * 0.5;
    const key = worse * 1000 + Math.round(width * 2);
    const group = groups.get(key);
    if (group) group.push(i);
    else groups.set(key, [i]);
  }
  ctx.lineJoin = "bevel";
  ctx.lineCap = v.scale > 0.3 ? "butt" : "round";
  let drawn = 0;
  for (const key of [...groups.keys()].sort((a, b) => a - b)) {
    const worse = Math.floor(key / 1000);
    ctx.strokeStyle = byDelay ? p.delay[worse] : p.road;
    ctx.lineWidth = (key % 1000) / 2;
    // Stopped roads are broken lines: told apart without their colour.
    if (worse === 4) {
      ctx.setLineDash([7, 3]);
      ctx.lineCap = "butt";
    } else ctx.setLineDash([]);
    ctx.beginPath();
    let held = 0;
    for (const i of groups.get(key) ?? []) {
      trace(ctx, shapes, i, v);
      drawn++;
      if (++held === SLICE) {
        ctx.stroke();
        yield;
        ctx.beginPath();
        held = 0;
      }
    }
    ctx.stroke();
    if (drawn > SLICE) {
      drawn = 0;
      yield;
    }
  }
  ctx.setLineDash([]);
  ctx.lineCap = "butt";
}

/** The last metres of an edge, as far back as vehicles stand. */
function paintQueues(ctx: CanvasRenderingContext2D, v: Camera, s: Scene, p: Palette, e: Extent): void {
  const { shapes, queue } = s;
  if (v.scale < 0.06) return;
  ctx.strokeStyle = p.queue;
  ctx.lineWidth = Math.max(2.5, 2 * v.scale);
  ctx.setLineDash([2, 2]);
  ctx.beginPath();
  for (let i = 0; i < shapes.kind.length; i++) {
    const edge = shapes.edge[i];
    if (shapes.kind[i] !== SHAPE.road || edge < 0) continue;
    let left = queue[edge] ?? 0;
    if (!(left > 0) || outside(shapes.boxes, i, e.west, e.south, e.east, e.north)) continue;
    const { points, start } = shapes;
    let k = (start[i + 1] - 1) * 2;
    ctx.moveTo(v.sx(points[k]), v.sy(points[k + 1]));
    for (k -= 2; k >= start[i] * 2 && left > 0; k -= 2) {
      const dx = points[k] - points[k + 2];
      const dy = points[k + 1] - points[k + 3];
      const long = Math.hypot(dx, dy);
      const part = long > left ? left / long : 1;
      ctx.lineTo(v.sx(points[k + 2] + dx * part), v.sy(points[k + 3] + dy * part));
      left -= long;
    }
  }
  ctx.stroke();
  ctx.setLineDash([]);
}

const SPRITE_LIMIT = 2500;

/** Sensors below the roads: single pixels when many, squares when few. Returns those that are wrong. */
function paintSensors(ctx: CanvasRenderingContext2D, v: Camera, sensors: Sensors, p: Palette, e: Extent): number[] {
  const { x, y, state } = sensors;
  const dpr = ctx.getTransform().a;
  const seen: number[] = [];
  for (let i = 0; i < x.length; i++) {
    if (x[i] >= e.west && x[i] <= e.east && y[i] >= e.south && y[i] <= e.north) seen.push(i);
  }
  const marks: number[] = [];
  if (seen.length > SPRITE_LIMIT) {
    const [w, h] = [Math.round(v.width * dpr), Math.round(v.height * dpr)];
    const picture = ctx.getImageData(0, 0, w, h);
    const words = new Uint32Array(picture.data.buffer);
    const ink = pixelOf(p.sensor);
    for (const i of seen) {
      if (state[i] >= 2 && state[i] !== 255) marks.push(i);
      const px = (v.sx(x[i]) * dpr) | 0;
      const py = (v.sy(y[i]) * dpr) | 0;
      if (px < 0 || py < 0 || px >= w - 1 || py >= h - 1) continue;
      const at = py * w + px;
      words[at] = ink;
      if (v.scale > 0.1) words[at + 1] = words[at + w] = words[at + w + 1] = ink;
    }
    ctx.putImageData(picture, 0, 0);
  } else {
    ctx.fillStyle = p.sensor;
    for (const i of seen) {
      if (state[i] >= 2 && state[i] !== 255) marks.push(i);
      else ctx.fillRect(v.sx(x[i]) - 2, v.sy(y[i]) - 2, 4, 4);
    }
  }
  return marks;
}

/** What is wrong is a cross, and lies above the roads. */
function paintWrongSensors(
  ctx: CanvasRenderingContext2D,
  v: Camera,
  { x, y }: Sensors,
  p: Palette,
  marks: readonly number[],
): void {
  ctx.strokeStyle = p.bad;
  ctx.lineWidth = 1.6;
  ctx.beginPath();
  const r = v.scale > 0.3 ? 4 : 2.6;
  for (const i of marks.slice(0, 4000)) {
    const [px, py] = [v.sx(x[i]), v.sy(y[i])];
    ctx.moveTo(px - r, py - r);
    ctx.lineTo(px + r, py + r);
    ctx.moveTo(px + r, py - r);
    ctx.lineTo(px - r, py + r);
  }
  ctx.stroke();
}

let glyphs: Glyphs | null = null;
let glyphsOf: Palette | null = null;

function paintJunctions(ctx: CanvasRenderingContext2D, s: Scene, p: Palette, marks: readonly JunctionMark[]): void {
  if (!glyphs || glyphsOf !== p) {
    glyphs = new Glyphs(p, ctx.getTransform().a);
    glyphsOf = p;
  }
  for (const { row, x, y, r } of marks) glyphs.control(ctx, s.control[row] ?? CONTROL.plan, x, y, r);
  ctx.font = JUNCTION_FONT;
  ctx.textBaseline = "middle";
  ctx.lineJoin = "round";
  for (const { row, name } of marks) {
    if (!name) continue;
    ctx.lineWidth = 3;
    ctx.strokeStyle = p.halo;
    ctx.strokeText(s.junctionNames[row], name.x, name.y);
    ctx.fillStyle = p.text;
    ctx.fillText(s.junctionNames[row], name.x, name.y);
  }
}

export const FONT = `"Inter","Segoe UI",Roboto,"Helvetica Neue",Arial,"PingFang SC","Microsoft YaHei","Noto Sans CJK SC","WenQuanYi Micro Hei",sans-serif`;

const JUNCTION_FONT = `600 12px ${FONT}`;

/** Street names along the longest straight piece, one in each patch of the screen. */
function paintStreets(ctx: CanvasRenderingContext2D, v: Camera, s: Scene, p: Palette, e: Extent, room: Room): void {
  const { shapes } = s;
  const taken = new Set<string>();
  const widths = new Map<string, number>();
  ctx.font = `500 11px ${FONT}`;
  ctx.textAlign = "center";
  ctx.textBaseline = "middle";
  ctx.lineJoin = "round";
  for (let i = 0; i < shapes.kind.length; i++) {
    const name = shapes.edge[i] >= 0 ? s.streets[shapes.edge[i]] : "";
    if (!name || shapes.kind[i] !== SHAPE.road) continue;
    if (outside(shapes.boxes, i, e.west, e.south, e.east, e.north)) continue;
    const { points, start } = shapes;
    let [best, at] = [0, -1];
    for (let k = start[i] * 2; k < (start[i + 1] - 1) * 2; k += 2) {
      const long = Math.hypot(points[k + 2] - points[k], points[k + 3] - points[k + 1]);
      if (long > best) [best, at] = [long, k];
    }
    if (at < 0) continue;
    const width = widths.get(name) ?? ctx.measureText(name).width;
    widths.set(name, width);
    if (best * v.scale < width + 16) continue;
    const px = (v.sx(points[at]) + v.sx(points[at + 2])) / 2;
    const py = (v.sy(points[at + 1]) + v.sy(points[at + 3])) / 2;
    const patch = `${name}/${Math.round(px / 340)}/${Math.round(py / 340)}`;
    if (taken.has(patch)) continue;
    let angle = -Math.atan2(points[at + 3] - points[at + 1], points[at + 2] - points[at]);
    if (angle > Math.PI / 2) angle -= Math.PI;
    if (angle < -Math.PI / 2) angle += Math.PI;
    if (!room.takeIfFree(alongText(px, py, angle, width))) continue;
    taken.add(patch);
    ctx.save();
    ctx.translate(px, py);
    ctx.rotate(angle);
    ctx.lineWidth = 3;
    ctx.strokeStyle = p.halo;
    ctx.strokeText(name, 0, 0);
    ctx.fillStyle = p.soft;
    ctx.fillText(name, 0, 0);
    ctx.restore();
  }
  ctx.textAlign = "start";
}
