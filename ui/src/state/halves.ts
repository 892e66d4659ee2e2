/** The left half of a split map: the same city under another control, at the same second, live or recorded. */
import { effect, signal } from "@preact/signals";
import { endSession, getBytes } from "../api/client";
import { Feed, type FeedState } from "../api/feed";
import { readFrames, type Frame } from "../api/frame";
import type { Renderer } from "../map/renderer";
import { emptyScene, type Scene } from "../map/scene";
import { at } from "./replay";
import { city, paint, replaying, scene, type Live } from "./city";

const BEAT_MS = 500;
const CHUNK_S = 120;

export const leftScene = signal<Scene>(emptyScene());
export const leftLive: Live = { junctions: null, queues: null, share: null, vehicles: 0 };
export const leftNowMs = signal(0);
export const leftState = signal<FeedState>("connecting");
/** Grows twice a second while frames come: what shows the left half's numbers reads it. */
export const leftBeat = signal(0);

const renderers = new Set<Renderer>();
let beatAt = 0;
let frames: Frame[] = [];
let asking = false;

export function attachLeft(renderer: Renderer): () => void {
  renderers.add(renderer);
  renderer.scene = leftScene.value;
  return () => renderers.delete(renderer);
}

const feed = new Feed(
  {
    frame(frame, arrivedAt) {
      if (!replaying.value) take(frame, arrivedAt);
    },
    state(state) {
      leftState.value = state;
    },
    unauthorised: endSession,
    layout() {
      // The right half's feed says the same, and the scene is made of what is loaded then.
    },
  },
  "/api/v1/live?half=left",
);

function take(frame: Frame, arrivedAt: number): void {
  const ground = paint(leftScene.value, leftLive, frame);
  if (frame.vehicles) {
    for (const r of renderers) r.vehicles.take(frame.vehicles, arrivedAt, frame.vehicles.truth);
  }
  for (const r of renderers) {
    r.touch();
    if (ground) r.repaint("soon");
  }
  if (arrivedAt - beatAt > BEAT_MS || frame.full) {
    beatAt = arrivedAt;
    leftNowMs.value = frame.nowMs;
    leftBeat.value++;
  }
}

// Streets and junctions are the same; what lives on them is the left half's own.
effect(() => {
  const s = scene.value;
  leftScene.value = {
    ...s,
    delay: new Uint8Array(s.delay.length),
    control: new Uint8Array(s.control.length),
    lamp: new Uint8Array(s.lamp.length),
    queue: new Float32Array(s.queue.length),
    sensors: null,
    things: [],
    tracks: [],
  };
  for (const r of renderers) {
    r.scene = leftScene.value;
    r.repaint("now");
  }
  if (city.peek()?.halves) feed.open();
});

// The scrubber moves both halves.
effect(() => {
  const instant = at.value;
  if (instant !== null && city.peek()?.halves) void seekLeft(instant);
  else frames = [];
});

async function seekLeft(instantMs: number): Promise<void> {
  if (asking) return;
  for (let wanted: number | null = instantMs; wanted !== null && !inside(wanted); wanted = at.peek()) {
    asking = true;
    try {
      const begin = Math.round(wanted) - 2000;
      frames = readFrames(await getBytes(`/frames?half=left&begin_ms=${begin}&end_ms=${begin + CHUNK_S * 1000}&step_s=1`));
    } catch {
      // The right half asks the same server at the same time, and says what is wrong.
      return;
    } finally {
      asking = false;
    }
    if (at.peek() === wanted) break;
  }
  const here = at.peek();
  if (here === null || !frames.length) return;
  let best = frames[0];
  for (const frame of frames) if (frame.nowMs <= here) best = frame;
  take({ ...best, full: true }, performance.now());
}

function inside(instantMs: number): boolean {
  return frames.length > 0 && instantMs >= frames[0].nowMs && instantMs <= frames[frames.length - 1].nowMs;
}
