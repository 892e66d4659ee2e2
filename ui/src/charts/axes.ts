/** Axes shared by the charts drawn here: time across, something in seconds, metres or stages upwards. */
import { FONT } from "../map/ground";
import type { Palette } from "../map/palette";
import { clock } from "../words";

export interface Area {
  left: number;
  top: number;
  right: number;
  bottom: number;
}

export const AXIS_FONT = `11px ${FONT}`;

export function areaOf(width: number, height: number, left = 44): Area {
  return { left, top: 8, right: width - 10, bottom: height - 22 };
}

/** Round steps of a clock that leave room for their labels. */
export function timeTicks(begin: number, end: number, width: number): number[] {
  const wanted = Math.max(2, Math.floor(width / 84));
  const steps = [10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14_400].map((s) => s * 1000);
  const step = steps.find((ms) => (end - begin) / ms <= wanted) ?? 28_800_000;
  const ticks: number[] = [];
  for (let at = Math.ceil(begin / step) * step; at <= end; at += step) ticks.push(at);
  return ticks;
}

export function numberTicks(low: number, high: number, wanted = 5): number[] {
  const raw = (high - low) / wanted || 1;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = ([1, 2, 5, 10].find((m) => m * power >= raw) ?? 10) * power;
  const ticks: number[] = [];
  for (let at = Math.ceil(low / step) * step; at <= high + step * 1e-6; at += step) ticks.push(at);
  return ticks;
}

export function scaleOf(low: number, high: number, from: number, to: number): (value: number) => number {
  const long = high - low || 1;
  return (value) => from + ((value - low) / long) * (to - from);
}

export function drawTimeAxis(ctx: CanvasRenderingContext2D, a: Area, begin: number, end: number, p: Palette): void {
  const x = scaleOf(begin, end, a.left, a.right);
  ctx.font = AXIS_FONT;
  ctx.textAlign = "center";
  ctx.textBaseline = "top";
  ctx.strokeStyle = p.grid;
  ctx.lineWidth = 1;
  for (const at of timeTicks(begin, end, a.right - a.left)) {
    const px = Math.round(x(at)) + 0.5;
    ctx.beginPath();
    ctx.moveTo(px, a.top);
    ctx.lineTo(px, a.bottom);
    ctx.stroke();
    ctx.fillStyle = p.soft;
    ctx.fillText(clock(at), Math.min(a.right - 20, Math.max(a.left + 20, px)), a.bottom + 6);
  }
}

export function drawValueAxis(
  ctx: CanvasRenderingContext2D,
  a: Area,
  ticks: readonly number[],
  y: (value: number) => number,
  text: (value: number) => string,
  p: Palette,
): void {
  ctx.font = AXIS_FONT;
  ctx.textAlign = "right";
  ctx.textBaseline = "middle";
  ctx.strokeStyle = p.grid;
  ctx.lineWidth = 1;
  for (const value of ticks) {
    const py = Math.round(y(value)) + 0.5;
    ctx.beginPath();
    ctx.moveTo(a.left, py);
    ctx.lineTo(a.right, py);
    ctx.stroke();
    ctx.fillStyle = p.soft;
    ctx.fillText(text(value), a.left - 6, py);
  }
}

/** Marks of how a green ended, by shape: gap out, max out, force off, hold, plan. */
export function drawMark(ctx: CanvasRenderingContext2D, shape: number, x: number, y: number, r: number): void {
  ctx.beginPath();
  if (shape === 0) ctx.arc(x, y, r, 0, 6.3);
  else if (shape === 1) ctx.rect(x - r * 0.9, y - r * 0.9, r * 1.8, r * 1.8);
  else if (shape === 2) {
    ctx.moveTo(x, y - r * 1.15);
    ctx.lineTo(x + r * 1.1, y + r * 0.85);
    ctx.lineTo(x - r * 1.1, y + r * 0.85);
    ctx.closePath();
  } else if (shape === 3) {
    ctx.moveTo(x, y - r * 1.2);
    ctx.lineTo(x + r * 1.2, y);
    ctx.lineTo(x, y + r * 1.2);
    ctx.lineTo(x - r * 1.2, y);
    ctx.closePath();
  } else {
    ctx.rect(x - r * 1.1, y - r * 0.35, r * 2.2, r * 0.7);
  }
  ctx.fill();
}
