/** Small marks, drawn once a theme into bitmaps. A shape for each meaning; colour only repeats it. */
import type { Palette } from "./palette";
import { CONTROL, type ThingKind } from "./scene";

type Draw = (ctx: CanvasRenderingContext2D, p: Palette, r: number) => void;

function circle(ctx: CanvasRenderingContext2D, r: number): void {
  ctx.beginPath();
  ctx.arc(0, 0, r, 0, Math.PI * 2);
}

function polygon(ctx: CanvasRenderingContext2D, r: number, corners: number, turn: number): void {
  ctx.beginPath();
  for (let i = 0; i < corners; i++) {
    const a = turn + (i * 2 * Math.PI) / corners;
    ctx.lineTo(Math.cos(a) * r, Math.sin(a) * r);
  }
  ctx.closePath();
}

function ringed(ctx: CanvasRenderingContext2D, fill: string, stroke: string, width = 1.5): void {
  ctx.fillStyle = fill;
  ctx.fill();
  ctx.lineWidth = width;
  ctx.strokeStyle = stroke;
  ctx.stroke();
}

/** Junctions: a ring is the own plan, a disc a lease, a half disc a hand-back, a square a hold, a triangle dead sensing. */
const CONTROLS: Record<number, Draw> = {
  [CONTROL.plan]: (ctx, p, r) => {
    circle(ctx, r * 0.8);
    ringed(ctx, p.ground, p.soft, 2);
  },
  [CONTROL.leased]: (ctx, p, r) => {
    circle(ctx, r * 0.85);
    ringed(ctx, p.accent, p.ground);
  },
  [CONTROL.back]: (ctx, p, r) => {
    circle(ctx, r * 0.8);
    ringed(ctx, p.ground, p.accent, 2);
    ctx.beginPath();
    ctx.arc(0, 0, r * 0.8, -Math.PI / 2, Math.PI / 2);
    ctx.fillStyle = p.accent;
    ctx.fill();
  },
  [CONTROL.held]: (ctx, p, r) => {
    ctx.beginPath();
    ctx.rect(-r * 0.85, -r * 0.85, r * 1.7, r * 1.7);
    ringed(ctx, p.warn, p.ground);
    ctx.fillStyle = p.ground;
    ctx.fillRect(-r * 0.4, -r * 0.4, r * 0.28, r * 0.8);
    ctx.fillRect(r * 0.14, -r * 0.4, r * 0.28, r * 0.8);
  },
  [CONTROL.released]: (ctx, p, r) => {
    polygon(ctx, r, 4, 0);
    ringed(ctx, p.ground, p.warn, 2);
  },
  [CONTROL.dead]: (ctx, p, r) => {
    polygon(ctx, r * 1.1, 3, -Math.PI / 2);
    ringed(ctx, p.bad, p.ground);
  },
};

function bin(ctx: CanvasRenderingContext2D, p: Palette, r: number): void {
  ctx.beginPath();
  ctx.moveTo(-r * 0.8, -r * 0.8);
  ctx.lineTo(r * 0.8, -r * 0.8);
  ctx.lineTo(r * 0.55, r * 0.9);
  ctx.lineTo(-r * 0.55, r * 0.9);
  ctx.closePath();
  ringed(ctx, p.ground, p.truck, 1.8);
}

/** A container that fills up is filled in its lower half; one that will overflow is full, with a lid that does not close. */
const FULLER: Record<"container1" | "container2", Draw> = {
  container1: (ctx, p, r) => {
    bin(ctx, p, r);
    ctx.fillStyle = p.truck;
    ctx.fillRect(-r * 0.6, 0, r * 1.2, r * 0.85);
  },
  container2: (ctx, p, r) => {
    bin(ctx, p, r);
    ctx.fillStyle = p.bad;
    ctx.fill();
    ctx.lineWidth = 2;
    ctx.strokeStyle = p.bad;
    ctx.beginPath();
    ctx.moveTo(-r * 1.05, -r * 0.95);
    ctx.lineTo(r * 0.7, -r * 1.25);
    ctx.stroke();
  },
};

const THINGS: Record<ThingKind, Draw> = {
  unit: (ctx, p, r) => {
    ctx.beginPath();
    ctx.rect(-r, -r, 2 * r, 2 * r);
    ringed(ctx, p.unit, p.ground);
    ctx.fillStyle = p.ground;
    ctx.fillRect(-r * 0.6, -r * 0.17, r * 1.2, r * 0.34);
    ctx.fillRect(-r * 0.17, -r * 0.6, r * 0.34, r * 1.2);
  },
  truck: (ctx, p, r) => {
    ctx.beginPath();
    ctx.moveTo(-r, -r * 0.7);
    ctx.lineTo(r * 0.4, -r * 0.7);
    ctx.lineTo(r, 0);
    ctx.lineTo(r, r * 0.7);
    ctx.lineTo(-r, r * 0.7);
    ctx.closePath();
    ringed(ctx, p.truck, p.ground);
  },
  container: bin,
  call: (ctx, p, r) => {
    polygon(ctx, r * 1.15, 4, 0);
    ringed(ctx, p.bad, p.ground);
    ctx.fillStyle = p.ground;
    ctx.fillRect(-r * 0.13, -r * 0.6, r * 0.26, r * 0.75);
    ctx.fillRect(-r * 0.13, r * 0.35, r * 0.26, r * 0.26);
  },
  site: (ctx, p, r) => {
    ctx.beginPath();
    ctx.moveTo(0, -r);
    ctx.lineTo(r * 0.9, -r * 0.15);
    ctx.lineTo(r * 0.9, r * 0.8);
    ctx.lineTo(-r * 0.9, r * 0.8);
    ctx.lineTo(-r * 0.9, -r * 0.15);
    ctx.closePath();
    ringed(ctx, p.ground, p.unit, 1.8);
  },
  zone: (ctx, p, r) => {
    ctx.lineWidth = 1.6;
    ctx.strokeStyle = p.warn;
    ctx.setLineDash([2, 2]);
    circle(ctx, r * 0.9);
    ctx.stroke();
    ctx.setLineDash([]);
    ctx.beginPath();
    ctx.moveTo(-r * 0.5, 0);
    ctx.lineTo(r * 0.5, 0);
    ctx.stroke();
  },
  alert: (ctx, p, r) => {
    polygon(ctx, r * 1.25, 3, -Math.PI / 2);
    ringed(ctx, p.warn, p.ground);
    ctx.fillStyle = p.ground;
    ctx.fillRect(-r * 0.12, -r * 0.5, r * 0.24, r * 0.6);
    ctx.fillRect(-r * 0.12, r * 0.25, r * 0.24, r * 0.24);
  },
};

export type Mark = ThingKind | keyof typeof FULLER;
const MARKS: Record<Mark, Draw> = { ...THINGS, ...FULLER };

const PAD = 3;

/** Bitmaps of every mark at one size. */
export class Glyphs {
  private readonly made = new Map<string, HTMLCanvasElement>();

  constructor(
    private readonly p: Palette,
    private readonly dpr: number,
  ) {}

  control(ctx: CanvasRenderingContext2D, which: number, x: number, y: number, r: number): void {
    this.put(ctx, `c${which}`, CONTROLS[which] ?? CONTROLS[CONTROL.plan], x, y, r);
  }

  thing(ctx: CanvasRenderingContext2D, kind: Mark, x: number, y: number, r: number): void {
    this.put(ctx, kind, MARKS[kind], x, y, r);
  }

  private put(ctx: CanvasRenderingContext2D, name: string, draw: Draw, x: number, y: number, r: number): void {
    const key = `${name}/${r}`;
    let bitmap = this.made.get(key);
    const half = Math.ceil(r * 1.3 + PAD);
    if (!bitmap) {
      bitmap = document.createElement("canvas");
      bitmap.width = bitmap.height = half * 2 * this.dpr;
      const own = bitmap.getContext("2d");
      if (own) {
        own.setTransform(this.dpr, 0, 0, this.dpr, half * this.dpr, half * this.dpr);
        draw(own, this.p, r);
      }
      this.made.set(key, bitmap);
    }
    ctx.drawImage(bitmap, Math.round(x - half), Math.round(y - half), half * 2, half * 2);
  }
}

/** The same marks for legends, as a picture of their own. */
export function drawControl(ctx: CanvasRenderingContext2D, p: Palette, which: number, r: number): void {
  CONTROLS[which]?.(ctx, p, r);
}

export function drawThing(ctx: CanvasRenderingContext2D, p: Palette, kind: Mark, r: number): void {
  MARKS[kind](ctx, p, r);
}
