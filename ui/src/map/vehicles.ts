/** Moving vehicles: the last two frames, and where each is between them. */
import type { Box, Camera } from "./camera";
import type { Palette } from "./palette";

const EMPTY = -32768;
const JUMP = 900;
/** Carried on past the last frame by at most so much of the time between two. */
const LONGEST_WAY = 1.2;
const SPARE_MS = 50;
/** Kinds of the feed that are drawn apart: 1 bus, 2 rail, 5 person, 6 emergency, 7 refuse. */
const LENGTH_M = [4.6, 12, 30, 8, 2, 0.8, 6, 9];
const WIDTH_M = [1.9, 2.5, 2.6, 2.5, 0.8, 0.8, 2.2, 2.5];

export interface Positions {
  x: Int16Array;
  y: Int16Array;
  heading: Uint8Array;
  kindSpeed: Uint8Array;
}

const SIN = new Float32Array(256);
const COS = new Float32Array(256);
for (let i = 0; i < 256; i++) {
  SIN[i] = Math.sin((i / 256) * 2 * Math.PI);
  COS[i] = Math.cos((i / 256) * 2 * Math.PI);
}

export class Vehicles {
  private before: Positions | null = null;
  private now: Positions | null = null;
  private at = 0;
  private period = 100;
  truth = false;
  count = 0;

  take(next: Positions, arrivedAt: number, truth: boolean): void {
    if (this.now) {
      const gap = arrivedAt - this.at;
      // Frames come at a steady rate: follow it slowly, and forget a pause.
      if (gap < 3000) this.period += (Math.max(30, gap) - this.period) * 0.2;
    }
    this.before = this.now;
    this.now = next;
    this.at = arrivedAt;
    this.truth = truth;
    let count = 0;
    for (let i = 0; i < next.x.length; i++) if (next.x[i] !== EMPTY) count++;
    this.count = count;
  }

  /** Whether anybody is still on the way between the last two frames: else the picture stands. */
  moving(time: number): boolean {
    return this.now !== null && time - this.at < LONGEST_WAY * this.period + SPARE_MS;
  }

  clear(): void {
    this.before = this.now = null;
    this.count = 0;
  }

  /** Draw all that are on the screen; people apart from vehicles, bodies in their true size when close. */
  draw(ctx: CanvasRenderingContext2D, camera: Camera, box: Box, p: Palette, time: number, people: boolean): void {
    const { now, before } = this;
    if (!now) return;
    const t = Math.min(LONGEST_WAY, (time - this.at) / this.period);
    const [x0, y0, x1, y1] = box;
    const ax = ((x1 - x0) / 65534) * camera.scale;
    const ay = ((y1 - y0) / 65534) * camera.scale;
    const bx = camera.sx(x0) + 32767 * ax;
    const by = camera.sy(y0) - 32767 * ay;
    const close = camera.scale > 0.9;
    const size = camera.scale < 0.09 ? 2 : camera.scale < 0.3 ? 3 : 4;
    const [w, h] = [camera.width, camera.height];
    const special: number[] = [];
    ctx.fillStyle = p.vehicle;
    for (let i = 0; i < now.x.length; i++) {
      let x: number = now.x[i];
      if (x === EMPTY) continue;
      let y: number = now.y[i];
      if (before && i < before.x.length && before.x[i] !== EMPTY) {
        const dx = x - before.x[i];
        const dy = y - before.y[i];
        if (dx < JUMP && dx > -JUMP && dy < JUMP && dy > -JUMP) {
          x = before.x[i] + dx * t;
          y = before.y[i] + dy * t;
        }
      }
      const px = bx + x * ax;
      const py = by - y * ay;
      if (px < -20 || py < -20 || px > w + 20 || py > h + 20) continue;
      const kind = now.kindSpeed[i] & 15;
      if (kind === 0 && !close) {
        ctx.fillRect(px - size / 2, py - size / 2, size, size);
        continue;
      }
      special.push(px, py, kind, now.heading[i]);
    }
    this.drawSpecial(ctx, camera, p, special, people);
  }

  private drawSpecial(
    ctx: CanvasRenderingContext2D,
    camera: Camera,
    p: Palette,
    special: readonly number[],
    people: boolean,
  ): void {
    const s = camera.scale;
    for (let k = 0; k < special.length; k += 4) {
      const [px, py, kind, heading] = [special[k], special[k + 1], special[k + 2], special[k + 3]];
      if (kind === 5) {
        if (!people || s < 0.25) continue;
        ctx.fillStyle = p.walker;
        ctx.beginPath();
        ctx.arc(px, py, Math.max(1.8, 0.5 * s), 0, 6.3);
        ctx.fill();
        continue;
      }
      ctx.fillStyle = kind === 6 ? p.unit : kind === 7 ? p.truck : kind === 1 || kind === 2 ? p.accent : p.vehicle;
      // Front bumper at the point: the body lies behind it.
      const long = Math.max(kind === 0 ? 4 : 6, LENGTH_M[kind] * s);
      const wide = Math.max(3, WIDTH_M[kind] * s) / 2;
      const [fx, fy] = [SIN[heading], -COS[heading]];
      const [rx, ry] = [-fy * wide, fx * wide];
      ctx.beginPath();
      ctx.moveTo(px + rx, py + ry);
      ctx.lineTo(px - rx, py - ry);
      ctx.lineTo(px - rx - fx * long, py - ry - fy * long);
      ctx.lineTo(px + rx - fx * long, py + ry - fy * long);
      ctx.fill();
    }
  }
}
