/** The scrubber: recorded frames in place of live ones, at any speed, from an instant that the address can name. */
import { effect, signal } from "@preact/signals";
import { get, getBytes } from "../api/client";
import { readFrames, type Frame } from "../api/frame";
import { apply, nowMs, replaying } from "./city";
import { sayError } from "./operations";

const CHUNK_S = 600;

export const span = signal<{ begin_ms: number; end_ms: number } | null>(null);
export const at = signal<number | null>(null);
export const playing = signal(false);
export const speed = signal(1);

let frames: Frame[] = [];
let loading = false;
let timer = 0;

export async function loadSpan(): Promise<void> {
  try {
    span.value = await get("/frames/span");
  } catch {
    // A question that went unanswered changes nothing about what is recorded: the slider, and the focus on it, stay.
  }
}

/** Show the city as it was at an instant. */
export async function seek(instantMs: number): Promise<void> {
  // What is live by now is recorded by now, whatever was said of it when it was last asked: the slider keeps its end.
  const known = span.peek();
  if (!replaying.peek() && known) span.value = { ...known, end_ms: Math.max(known.end_ms, nowMs.peek()) };
  replaying.value = true;
  at.value = instantMs;
  if (loading) return;
  // While frames come, the slider may move on: the instant that was asked for last is the one that is shown.
  for (let wanted = at.value; wanted !== null && !inside(wanted); wanted = at.value) {
    loading = true;
    try {
      // From a little before: the frame in force at the instant is the last one before it.
      const begin = Math.round(wanted) - 2000;
      frames = readFrames(await getBytes(`/frames?begin_ms=${begin}&end_ms=${begin + CHUNK_S * 1000}&step_s=1`));
    } catch (error) {
      sayError(error);
      break;
    } finally {
      loading = false;
    }
    if (at.value === wanted) break;
  }
  show();
}

function inside(instantMs: number): boolean {
  return frames.length > 0 && instantMs >= frames[0].nowMs && instantMs <= frames[frames.length - 1].nowMs;
}

function show(): void {
  if (at.value === null || !frames.length) return;
  let best = frames[0];
  for (const frame of frames) if (frame.nowMs <= at.value) best = frame;
  apply({ ...best, full: true }, performance.now());
}

export function backToLive(): void {
  playing.value = false;
  at.value = null;
  frames = [];
  replaying.value = false;
}

effect(() => {
  clearInterval(timer);
  if (!playing.value) return;
  const rate = speed.value;
  timer = window.setInterval(() => {
    const here = at.peek();
    const last = span.peek()?.end_ms ?? nowMs.peek();
    if (here === null || here >= last) {
      playing.value = false;
      return;
    }
    void seek(here + 200 * rate);
  }, 200);
});
