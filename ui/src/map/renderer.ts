/** One canvas: the cached ground, and on it everything that moves. Draws as often as the screen refreshes. */
import { Camera } from "./camera";
import { Glyphs } from "./glyphs";
import { groundPainter, FONT } from "./ground";
import { UNIT_NAMES_FROM } from "./labels";
import type { Layers } from "./layers";
import { palette, type Palette } from "./palette";
import { emptyScene, type Scene, type Thing, type Track } from "./scene";
import { Sheet } from "./sheet";
import { Vehicles } from "./vehicles";

const LAMPS_FROM_SCALE = 0.45;
const REPAINT_EVERY_MS = 1000;
const SLICE_BUDGET_MS = 5;

export interface Pick {
  kind: "junction" | "edge" | "sensor" | Thing["kind"];
  row: number;
  id: string;
}

export class Renderer {
  readonly vehicles = new Vehicles();
  scene: Scene = emptyScene();
  selected: { x: number; y: number } | null = null;
  crosshair = false;
  /** Frames drawn since the map opened; read by tests and by the load measurement. */
  frames = 0;
  onView: (() => void) | null = null;

  private readonly ctx: CanvasRenderingContext2D;
  private readonly sheet: Sheet;
  private glyphs: Glyphs | null = null;
  private ink: Palette | null = null;
  private dpr = 1;
  private running = 0;
  private changedAt = 0;
  private paintedAt = 0;
  private touched = true;
  private drawn: unknown[] = [];
  private drawnAt = 0;

  constructor(
    readonly canvas: HTMLCanvasElement,
    private readonly layers: () => Layers,
    /** Two halves of one map look through the same. */
    readonly camera = new Camera(),
    /** Least time between two frames: two maps beside each other share a processor. [ms] */
    private readonly everyMs = 0,
  ) {
    const ctx = canvas.getContext("2d", { alpha: false });
    if (!ctx) throw new Error("This browser offers no 2D canvas.");
    this.ctx = ctx;
    this.sheet = new Sheet(groundPainter(() => this.scene, layers));
  }

  start(): void {
    const loop = (time: number) => {
      this.running = requestAnimationFrame(loop);
      if (time - this.drawnAt < this.everyMs) return;
      this.drawnAt = time;
      this.draw(time);
    };
    this.running = requestAnimationFrame(loop);
  }

  stop(): void {
    cancelAnimationFrame(this.running);
  }

  resize(width: number, height: number): void {
    this.dpr = Math.min(2, window.devicePixelRatio || 1);
    this.camera.width = Math.max(1, width);
    this.camera.height = Math.max(1, height);
    this.canvas.width = Math.round(this.camera.width * this.dpr);
    this.canvas.height = Math.round(this.camera.height * this.dpr);
    this.glyphs = null;
    this.touched = true;
  }

  /** The ground has to be painted again: at once for what a person did, within a second for live data. */
  repaint(at: "now" | "soon"): void {
    this.touched = true;
    if (at === "now") this.sheet.stale = true;
    else if (!this.changedAt) this.changedAt = performance.now();
  }

  /** Something that is drawn over the ground has changed. */
  touch(): void {
    this.touched = true;
  }

  /** Whether a frame would show what the last one did: then none is drawn, and the processor is somebody else's. */
  private stands(time: number): boolean {
    const { camera, scene, selected } = this;
    const view = [camera.x, camera.y, camera.scale, camera.width, camera.height, selected?.x, selected?.y, this.crosshair];
    const seen = [...view, scene, scene.things, scene.tracks, scene.lamp, scene.sensors];
    const same = seen.length === this.drawn.length && seen.every((one, i) => one === this.drawn[i]);
    const moving = this.vehicles.moving(time) || scene.tracks.some((track) => track.kind === "corridor");
    if (same && !moving && !this.touched) return true;
    this.drawn = seen;
    this.touched = false;
    return false;
  }

  private draw(time: number): void {
    const { ctx, camera, dpr } = this;
    const p = palette();
    if (this.ink !== p || !this.glyphs) {
      this.ink = p;
      this.glyphs = new Glyphs(p, dpr);
      this.sheet.stale = true;
    }
    if (this.changedAt && time - this.paintedAt > REPAINT_EVERY_MS) {
      this.sheet.stale = true;
      this.changedAt = 0;
      this.paintedAt = time;
    }
    const painted = this.sheet.advance(camera, dpr, time, SLICE_BUDGET_MS);
    if (!painted && this.stands(time)) return;
    this.sheet.blit(ctx, camera, dpr, p.ground);
    const on = this.layers();
    if (on.signals && camera.scale >= LAMPS_FROM_SCALE) this.drawLamps(p);
    this.drawTracks(p, time);
    if (on.vehicles) this.vehicles.draw(ctx, camera, this.scene.box, p, time, on.people);
    this.drawThings(p, on);
    if (this.selected) this.drawSelected(p);
    if (this.crosshair) this.drawCrosshair(p);
    this.frames++;
  }

  /** Each movement over the junction: full lines may go, short strokes must stop, dots for yellow. */
  private drawLamps(p: Palette): void {
    const { ctx, camera, scene } = this;
    const { linkPaths, lamp } = scene;
    const looks: [number[], string, number[], number][] = [
      [[0, 3], p.red, [], 2.4],
      [[1], p.green, [7, 4], 2],
      [[2, 5], p.green, [], 2.8],
      [[4], p.yellow, [2, 3], 2.8],
    ];
    const [west, east] = [camera.wx(0), camera.wx(camera.width)];
    const [south, north] = [camera.wy(camera.height), camera.wy(0)];
    ctx.lineCap = "butt";
    for (const [states, colour, dash, width] of looks) {
      ctx.beginPath();
      for (let i = 0; i < linkPaths.link.length; i++) {
        const b = i * 4;
        const { boxes, points, start } = linkPaths;
        if (boxes[b] > east || boxes[b + 2] < west || boxes[b + 1] > north || boxes[b + 3] < south) continue;
        if (!states.includes(lamp[linkPaths.link[i]] ?? 0)) continue;
        const stop = states[0] === 0;
        let k = start[i] * 2;
        const end = start[i + 1] * 2;
        ctx.moveTo(camera.sx(points[k]), camera.sy(points[k + 1]));
        if (stop) {
          // A bar across the stop line, where the path begins.
          const long = Math.hypot(points[k + 2] - points[k], points[k + 3] - points[k + 1]) || 1;
          const nx = (-(points[k + 3] - points[k + 1]) / long) * 1.5;
          const ny = ((points[k + 2] - points[k]) / long) * 1.5;
          ctx.moveTo(camera.sx(points[k] - nx), camera.sy(points[k + 1] - ny));
          ctx.lineTo(camera.sx(points[k] + nx), camera.sy(points[k + 1] + ny));
        } else for (k += 2; k < end; k += 2) ctx.lineTo(camera.sx(points[k]), camera.sy(points[k + 1]));
      }
      ctx.strokeStyle = colour;
      ctx.lineWidth = stop0(states) ? Math.max(2, camera.scale * 0.8) : width;
      ctx.setLineDash(dash);
      ctx.stroke();
    }
    ctx.setLineDash([]);
  }

  private drawTracks(p: Palette, time: number): void {
    const { ctx, camera } = this;
    for (const track of this.scene.tracks) {
      const { points } = track;
      if (points.length < 4) continue;
      if (track.kind === "ghost") {
        this.drawGhost(p, points, track.change ?? "worse", track.width ?? 4);
        continue;
      }
      ctx.beginPath();
      ctx.moveTo(camera.sx(points[0]), camera.sy(points[1]));
      for (let k = 2; k < points.length; k += 2) ctx.lineTo(camera.sx(points[k]), camera.sy(points[k + 1]));
      ctx.strokeStyle = track.kind === "corridor" ? p.unit : p.truck;
      ctx.lineWidth = track.kind === "corridor" ? 5 : 3;
      ctx.globalAlpha = 0.75;
      ctx.setLineDash(track.kind === "corridor" ? [12, 6] : [3, 5]);
      ctx.lineDashOffset = track.kind === "corridor" ? -(time / 40) % 18 : 0;
      ctx.stroke();
    }
    ctx.globalAlpha = 1;
    ctx.lineDashOffset = 0;
    ctx.setLineDash([]);
  }

  /**
   * Where a what-if moves lost time: more as a solid band, less as a dotted one, the closure as a barrier of strokes, a
   * ring round what else is changed.
   */
  private drawGhost(p: Palette, points: Float32Array, change: NonNullable<Track["change"]>, width: number): void {
    const { ctx, camera } = this;
    ctx.beginPath();
    ctx.moveTo(camera.sx(points[0]), camera.sy(points[1]));
    for (let k = 2; k < points.length; k += 2) ctx.lineTo(camera.sx(points[k]), camera.sy(points[k + 1]));
    ctx.strokeStyle = change === "better" ? p.good : change === "at" ? p.accent : p.bad;
    ctx.globalAlpha = change === "closed" || change === "at" ? 1 : 0.6;
    ctx.lineWidth = change === "closed" ? 9 : width;
    ctx.lineDashOffset = 0;
    ctx.setLineDash(change === "better" ? [2, 6] : change === "closed" ? [3, 4] : []);
    ctx.stroke();
  }

  private drawThings(p: Palette, on: Layers): void {
    const { ctx, camera, glyphs } = this;
    if (!glyphs) return;
    const named: [number, number][] = [];
    for (const thing of this.scene.things) {
      const { kind } = thing;
      const shown =
        kind === "alert" ? on.alerts : kind === "container" || kind === "truck" ? on.refuse : kind === "site" ? on.units || on.refuse : on.units;
      if (!shown) continue;
      const [px, py] = [camera.sx(thing.x), camera.sy(thing.y)];
      if (px < -20 || py < -20 || px > camera.width + 20 || py > camera.height + 20) continue;
      const small = kind === "container";
      if (small && thing.level === 0 && camera.scale < 0.15) {
        ctx.fillStyle = p.truck;
        ctx.fillRect(px - 1, py - 1, 2, 2);
        continue;
      }
      const mark = kind === "container" && thing.level ? (`container${thing.level}` as const) : kind;
      glyphs.thing(ctx, mark, px, py, small ? 5 + thing.level : 7 + thing.level);
      const near = named.some(([x, y]) => Math.abs(x - px) < 60 && Math.abs(y - py) < 12);
      if (kind === "unit" && camera.scale > UNIT_NAMES_FROM && !near) {
        named.push([px, py]);
        ctx.font = `600 11px ${FONT}`;
        ctx.lineWidth = 3;
        ctx.strokeStyle = p.halo;
        ctx.strokeText(thing.label, px + 11, py + 4);
        ctx.fillStyle = p.text;
        ctx.fillText(thing.label, px + 11, py + 4);
      }
    }
  }

  private drawSelected(p: Palette): void {
    const { ctx, camera, selected } = this;
    if (!selected) return;
    const [px, py] = [camera.sx(selected.x), camera.sy(selected.y)];
    for (const [width, colour] of [
      [5, p.halo],
      [2.5, p.accent],
    ] as const) {
      ctx.lineWidth = width;
      ctx.strokeStyle = colour;
      ctx.beginPath();
      ctx.arc(px, py, 15, 0, 6.3);
      ctx.stroke();
    }
  }

  private drawCrosshair(p: Palette): void {
    const { ctx, camera } = this;
    const [px, py] = [camera.width / 2, camera.height / 2];
    ctx.strokeStyle = p.text;
    ctx.lineWidth = 1.5;
    ctx.beginPath();
    for (const [dx, dy] of [
      [1, 0],
      [-1, 0],
      [0, 1],
      [0, -1],
    ]) {
      ctx.moveTo(px + dx * 5, py + dy * 5);
      ctx.lineTo(px + dx * 14, py + dy * 14);
    }
    ctx.stroke();
  }

  /** What lies nearest to a point of the screen, things before junctions before sensors before roads. */
  pick(px: number, py: number, reach = 14): Pick | null {
    const { camera, scene } = this;
    const far = reach / camera.scale;
    const [wx, wy] = [camera.wx(px), camera.wy(py)];
    let best = far * far;
    let found: Pick | null = null;
    const weigh = (x: number, y: number, name: () => Pick) => {
      const d = (x - wx) ** 2 + (y - wy) ** 2;
      if (d < best) {
        best = d;
        found = name();
      }
    };
    const on = this.layers();
    scene.things.forEach((t, row) => weigh(t.x, t.y, () => ({ kind: t.kind, row, id: t.id })));
    if (found) return found;
    for (let j = 0; j < scene.junctionX.length; j++) {
      weigh(scene.junctionX[j], scene.junctionY[j], () => ({ kind: "junction", row: j, id: scene.junctionNames[j] }));
    }
    if (found) return found;
    const { sensors } = scene;
    if (on.sensors && sensors) {
      for (let i = 0; i < sensors.x.length; i++) {
        weigh(sensors.x[i], sensors.y[i], () => ({ kind: "sensor", row: i, id: String(i) }));
      }
      if (found) return found;
    }
    return this.pickRoad(wx, wy, far);
  }

  private pickRoad(wx: number, wy: number, far: number): Pick | null {
    const { shapes, edgeNames } = this.scene;
    let best = far * far;
    let found: Pick | null = null;
    for (let i = 0; i < shapes.kind.length; i++) {
      const b = i * 4;
      if (shapes.edge[i] < 0) continue;
      if (shapes.boxes[b] > wx + far || shapes.boxes[b + 2] < wx - far) continue;
      if (shapes.boxes[b + 1] > wy + far || shapes.boxes[b + 3] < wy - far) continue;
      const { points, start } = shapes;
      for (let k = start[i] * 2; k < (start[i + 1] - 1) * 2; k += 2) {
        const [dx, dy] = [points[k + 2] - points[k], points[k + 3] - points[k + 1]];
        const long = dx * dx + dy * dy || 1;
        const t = Math.max(0, Math.min(1, ((wx - points[k]) * dx + (wy - points[k + 1]) * dy) / long));
        const d = (points[k] + dx * t - wx) ** 2 + (points[k + 1] + dy * t - wy) ** 2;
        if (d < best) {
          best = d;
          found = { kind: "edge", row: shapes.edge[i], id: edgeNames[shapes.edge[i]] ?? "" };
        }
      }
    }
    return found;
  }
}

function stop0(states: readonly number[]): boolean {
  return states[0] === 0;
}
