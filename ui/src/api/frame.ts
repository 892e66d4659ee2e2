/** The live feed's binary frames: typed arrays over the bytes as they came, nothing copied. */
import type { Positions } from "../map/vehicles";

const HEADER_BYTES = 24;
const SECTION_BYTES = 8;
const VERSION = 1;

export const KIND = {
  vehicles: 1,
  lamps: 2,
  junctions: 3,
  queues: 4,
  edges: 5,
  units: 6,
  trucks: 7,
  containers: 8,
  sensors: 9,
} as const;

export interface Placed {
  x: Int16Array;
  y: Int16Array;
  heading: Uint8Array;
  status: Uint8Array;
}

export interface Frame {
  full: boolean;
  unplugged: boolean;
  paused: boolean;
  number: number;
  nowMs: number;
  pace: number;
  bytes: number;
  vehicles?: Positions & { truth: boolean };
  lamps?: Uint8Array;
  junctions?: { stage: Uint8Array; state: Uint8Array; stageS: Uint8Array; longestRedS: Uint8Array };
  queues?: { standing: Uint8Array; seen: Uint8Array; ageDs: Uint8Array; left: Uint8Array };
  edges?: { share: Uint8Array; truth: boolean };
  edgesTruth?: Uint8Array;
  units?: Placed;
  trucks?: Placed;
  containers?: Uint8Array;
  sensors?: { row: Uint32Array; state: Uint8Array };
}

/** Read one frame; throws on bytes that are no frame of this version. */
export function readFrame(buffer: ArrayBuffer): Frame {
  const view = new DataView(buffer);
  if (buffer.byteLength < HEADER_BYTES || view.getUint8(0) !== 67 || view.getUint8(1) !== 76) {
    throw new Error("The live feed sent bytes that are no frame.");
  }
  if (view.getUint8(2) !== VERSION) throw new Error(`The live feed speaks version ${view.getUint8(2)}, this page ${VERSION}.`);
  const flags = view.getUint8(3);
  const frame: Frame = {
    full: (flags & 1) !== 0,
    unplugged: (flags & 2) !== 0,
    paused: (flags & 4) !== 0,
    number: view.getUint32(4, true),
    nowMs: view.getFloat64(8, true),
    pace: view.getFloat32(16, true),
    bytes: buffer.byteLength,
  };
  const sections = view.getUint16(20, true);
  let at = HEADER_BYTES;
  for (let i = 0; i < sections; i++) {
    const kind = view.getUint8(at);
    const sectionFlags = view.getUint8(at + 1);
    const rowBytes = view.getUint16(at + 2, true);
    const rows = view.getUint32(at + 4, true);
    at += SECTION_BYTES;
    const bytes = kind === KIND.lamps ? (rows + 1) >> 1 : rows * rowBytes;
    readSection(frame, kind, sectionFlags, buffer, at, rows);
    at += Math.ceil(bytes / 8) * 8;
  }
  return frame;
}

/** Recorded frames, each behind its length. */
export function readFrames(bytes: ArrayBuffer): Frame[] {
  const view = new DataView(bytes);
  const found: Frame[] = [];
  for (let k = 0; k + 4 <= bytes.byteLength; ) {
    const long = view.getUint32(k, true);
    found.push(readFrame(bytes.slice(k + 4, k + 4 + long)));
    k += 4 + long;
  }
  return found;
}

function readSection(frame: Frame, kind: number, flags: number, b: ArrayBuffer, at: number, n: number): void {
  const bytes = (column: number) => new Uint8Array(b, at + column * n, n);
  switch (kind) {
    case KIND.vehicles:
      frame.vehicles = { ...positions(b, at, n), truth: (flags & 1) !== 0 };
      break;
    case KIND.lamps:
      frame.lamps = nibbles(new Uint8Array(b, at, (n + 1) >> 1), n);
      break;
    case KIND.junctions:
      frame.junctions = { stage: bytes(0), state: bytes(1), stageS: bytes(2), longestRedS: bytes(3) };
      break;
    case KIND.queues:
      frame.queues = { standing: bytes(0), seen: bytes(1), ageDs: bytes(2), left: bytes(3) };
      break;
    case KIND.edges:
      if (flags & 1) frame.edgesTruth = bytes(0);
      else frame.edges = { share: bytes(0), truth: false };
      break;
    case KIND.units:
    case KIND.trucks: {
      const { x, y, heading, kindSpeed } = positions(b, at, n);
      frame[kind === KIND.units ? "units" : "trucks"] = { x, y, heading, status: kindSpeed };
      break;
    }
    case KIND.containers:
      frame.containers = bytes(0);
      break;
    case KIND.sensors:
      frame.sensors = { row: new Uint32Array(b, at, n), state: new Uint8Array(b, at + 4 * n, n) };
      break;
    default: // A newer server may send more: what is not known is passed over.
  }
}

function positions(b: ArrayBuffer, at: number, n: number): Positions {
  return {
    x: new Int16Array(b, at, n),
    y: new Int16Array(b, at + 2 * n, n),
    heading: new Uint8Array(b, at + 4 * n, n),
    kindSpeed: new Uint8Array(b, at + 5 * n, n),
  };
}

function nibbles(packed: Uint8Array, n: number): Uint8Array {
  const lamps = new Uint8Array(n);
  for (let i = 0; i < n; i++) lamps[i] = (packed[i >> 1] >> ((i & 1) * 4)) & 15;
  return lamps;
}
