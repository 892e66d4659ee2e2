/** Bodies of what-if runs: what is asked, and what comes of it. */

export interface Paired {
  mean: number;
  low: number;
  high: number;
  verdict: "better" | "worse" | "no clear difference";
}

/** What of a running city both worlds begin from, and how near they came to it. */
export interface Started {
  at_ms: number;
  approaches: number;
  covered: number;
  not_covered: { why: string; approaches: number }[];
  estimated_veh: number;
  placed_veh: number;
  driven_veh: number;
  vehicles: number;
  walkers: number;
  refused: number;
  off_veh: number;
  worst_off_veh: number;
  fewer: { lane: string; estimated: number; placed: number; why: string }[];
  fewer_in_all: number;
  stages: number;
  junctions: number;
  units: number;
  calls: number;
  trucks: number;
  acts: number;
  alike: boolean;
  stands_in: string;
}

/** What a what-if would have otherwise, and over which minutes and seeds. */
export interface WhatIfSpec {
  change: {
    close_edge: string | null;
    demand: number;
    add_unit: string | null;
    plan: { junction: number; greens_s: number[]; offset_s: number | null } | null;
    control: string;
    baseline: string;
  };
  minutes: number;
  seeds: number[];
}

/** What a city lets one change. */
export interface WhatIfChoices {
  arms: string[];
  stations: { name: string; units: number }[];
  plans: Record<string, { offset_s: number; stages: [stage: number, greenS: number, leastS: number][] }>;
}

export interface Job {
  id: string;
  kind: string;
  status: "queued" | "running" | "done" | "failed" | "cancelled";
  progress: number;
  text: string;
  spec: WhatIfSpec;
  result: {
    arms: Record<string, { vehicles?: number[]; calls?: number[] }>;
    paired: Record<string, Paired>;
    ghost?: { edges: [number, number][]; closed: number | null; unit: string; at?: [x: number, y: number][] };
    closure?: { edge: string; rerouted_veh: number; cannot_veh: number; total_veh: number } | null;
    start?: Started | null;
  } | null;
}
