/** A picture of what seldom changes, kept with a margin round the screen and repainted in slices. */
import { Camera } from "./camera";

export type Painter = (ctx: CanvasRenderingContext2D, view: Camera) => Generator<void>;

/** Kept painted round the screen, so that a pan meets no edge. [px] */
export const MARGIN = 160;
const SETTLED_MS = 90;

interface Face {
  canvas: HTMLCanvasElement;
  ctx: CanvasRenderingContext2D;
  view: Camera;
}

function face(): Face {
  const canvas = document.createElement("canvas");
  const ctx = canvas.getContext("2d", { alpha: false });
  if (!ctx) throw new Error("This browser offers no 2D canvas.");
  return { canvas, ctx, view: new Camera() };
}

export class Sheet {
  private front = face();
  private back = face();
  private job: Generator<void> | null = null;
  private painted = false;
  /** Whether what the sheet shows has changed since the job in hand, or the last, began. */
  stale = true;
  paints = 0;

  constructor(private readonly painter: Painter) {}

  /** Advance the repaint that is called for, by at most `budgetMs` (always by one slice); return whether it is done now. */
  advance(camera: Camera, dpr: number, now: number, budgetMs: number): boolean {
    if (!this.job && this.wanted(camera, dpr, now)) this.begin(camera, dpr);
    if (!this.job) return false;
    const until = performance.now() + (this.painted ? budgetMs : 1e9);
    do {
      if (this.job.next().done) {
        this.job = null;
        [this.front, this.back] = [this.back, this.front];
        this.painted = true;
        this.paints++;
        return true;
      }
    } while (performance.now() < until);
    return false;
  }

  private wanted(camera: Camera, dpr: number, now: number): boolean {
    if (!this.painted || this.stale) return true;
    const { view, canvas } = this.front;
    const width = Math.round((camera.width + 2 * MARGIN) * dpr);
    const height = Math.round((camera.height + 2 * MARGIN) * dpr);
    if (canvas.width !== width || canvas.height !== height) return true;
    if (view.scale !== camera.scale) {
      const ratio = camera.scale / view.scale;
      return now - camera.zoomedAt > SETTLED_MS || ratio < 0.8 || ratio > 1.8;
    }
    // Begin before the margin is used up, so that a steady pan never meets the edge.
    const reach = MARGIN * 0.4;
    return Math.abs(camera.x - view.x) * view.scale > reach || Math.abs(camera.y - view.y) * view.scale > reach;
  }

  private begin(camera: Camera, dpr: number): void {
    this.stale = false;
    const { canvas, ctx, view } = this.back;
    view.x = camera.x;
    view.y = camera.y;
    view.scale = camera.scale;
    view.width = camera.width + 2 * MARGIN;
    view.height = camera.height + 2 * MARGIN;
    const width = Math.round(view.width * dpr);
    const height = Math.round(view.height * dpr);
    if (canvas.width !== width || canvas.height !== height) {
      canvas.width = width;
      canvas.height = height;
    }
    ctx.setTransform(dpr, 0, 0, dpr, 0, 0);
    this.job = this.painter(ctx, view);
  }

  /** Copy the sheet to the screen, moved and scaled to where the camera is now. */
  blit(ctx: CanvasRenderingContext2D, camera: Camera, dpr: number, ground: string): void {
    const { canvas, view } = this.front;
    const ratio = camera.scale / view.scale;
    const left = (camera.sx(view.x) - (view.width / 2) * ratio) * dpr;
    const top = (camera.sy(view.y) - (view.height / 2) * ratio) * dpr;
    ctx.setTransform(1, 0, 0, 1, 0, 0);
    if (ratio === 1) {
      const [x, y] = [Math.round(left), Math.round(top)];
      const covered =
        x <= 0 && y <= 0 && x + canvas.width >= ctx.canvas.width && y + canvas.height >= ctx.canvas.height;
      if (!covered) this.clear(ctx, ground);
      ctx.drawImage(canvas, x, y);
    } else {
      this.clear(ctx, ground);
      ctx.imageSmoothingEnabled = true;
      ctx.imageSmoothingQuality = "low";
      ctx.drawImage(canvas, left, top, canvas.width * ratio, canvas.height * ratio);
    }
    ctx.setTransform(dpr, 0, 0, dpr, 0, 0);
  }

  private clear(ctx: CanvasRenderingContext2D, ground: string): void {
    ctx.fillStyle = ground;
    ctx.fillRect(0, 0, ctx.canvas.width, ctx.canvas.height);
  }
}
