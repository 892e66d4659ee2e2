/** Bodies of the server's API, as `/api/v1/openapi.json` tells them. */

export type { Job, Paired, WhatIfChoices, WhatIfSpec } from "./jobs";

export interface Session {
  user: string;
  roles: string[];
  districts: string[];
  csrf: string;
  expires_at_ms: number;
  may: string[];
}

export interface City {
  name: string;
  case: string;
  mode: "simulation" | "live" | "load-test";
  label: string;
  zone: string;
  clock: { now_ms: number; sim_s: number; pace: number; lap: number; wall_ms: number };
  bbox: [number, number, number, number];
  layout_version: string;
  domains: string[];
  districts: { id: string; name: string; junctions: number[] }[];
  counts: Record<string, number>;
  horizon_s: number;
  lease_s: number;
  version: string;
  notice: string;
  /** The controls of a map's two halves, where two are shown. */
  halves: { left: string; right: string } | null;
}

export interface Layout {
  version: string;
  junctions: {
    name: string;
    label: string;
    x_m: number;
    y_m: number;
    district: string;
    links: [number, number];
    stages: [number, number];
    approaches: [number, number];
  }[];
  links: { junction: number; kind: number; approach: number; turn: number; from_edge: number; length_m: number }[];
  stages: { junction: number; local: number; service: boolean; min_green_s: number; lamps: number[] }[];
  approaches: { junction: number; lane: string; edge: number; speed_limit_mps: number; zone_m: number }[];
  edges: { name: string; street: string; length_m: number; speed_limit_mps: number }[];
  emergency: unknown;
  refuse: unknown;
}

export interface Geometry {
  unit_m: number;
  bbox: [number, number, number, number];
  edges: [row: number, kind: number, widthDm: number, coords: number[]][];
  junctions: number[][];
  links: [row: number, coords: number[]][];
  /** What lies under the network: a kind, and the rings of an area or one line. */
  base?: [kind: number, rings: number[][]][];
  base_attribution?: string;
}

export interface Hold {
  id: string;
  kind: "hold" | "release" | "plan" | "advice";
  junction: number;
  stage: number | null;
  by: string;
  why: string;
  placed_at_ms: number;
  expires_at_ms: number;
  status: "active" | "expired" | "lifted";
  receipt: { status: string; at_ms: number; after_ms: number } | null;
  bound_by: string | null;
}

export interface SignalRow {
  row: number;
  name: string;
  label: string;
  district: string;
  stage: number;
  stage_s: number;
  mode: "own plan" | "leased" | "handing back";
  rung: Rung;
  hold: Hold | null;
  sensing: "ok" | "dead";
  longest_red_s: number | null;
  queue_veh: number | null;
  seen_veh: number | null;
  reason: string;
  last_decision_id: string | null;
}

export interface SignalDetail extends SignalRow {
  stages: { local: number; service: boolean; min_green_s: number; lamps: number[] }[];
  approaches: {
    row: number;
    street: string;
    queue_veh: number | null;
    seen_veh: number | null;
    age_s: number | null;
    flow_vph?: number | null;
  }[];
  crossings: { link: number; waiting: number | boolean | null }[];
  advice: Decision | null;
  limits: Record<string, number>;
}

export interface SignalHistory {
  begin_ms: number;
  end_ms: number;
  stages: [atMs: number, stage: number, mode: number][];
  proposed: [atMs: number, stage: number][];
  arrivals: [atMs: number, approach: number, n: number][];
  queues: { at_ms: number[]; approach: Record<string, (number | null)[]> };
  cycles: {
    begin_ms: number;
    stages: { stage: number; green_s: number; served: number | null; waiting_at_end: number | null; ended: string }[];
  }[];
}

export interface Corridor {
  junctions: { row: number; at_m: number }[];
  stages: Record<string, [atMs: number, stage: number, greensAlong: boolean][]>;
}

export interface Decision {
  id: string;
  decided_at_ms: number;
  domain: string;
  policy: string;
  target: number;
  junction: string;
  action: { kind: string; stage?: number | null; call?: number; place?: string; stops?: number };
  reason: { code: string | number; text: string };
  cost: number | null;
  gain: number | null;
  unit: string;
  alternatives: { stage: number; cost: number | null; name?: string }[];
  verdict: { kind: "allowed" | "trimmed" | "refused"; rule: { code: string | number; text: string; source?: string } | null };
  acted: boolean;
  rung: Rung;
  receipt: { status: string; at_ms: number; detail: string } | null;
  saw?: { sensor: string; seen_veh: number | null; standing_veh: number | null; age_s: number | null }[];
  stage_shown: number | null;
  forecast: { what: string; value: number | null; unit: string; horizon_s: number } | null;
  observed: {
    status: "complete" | "pending" | "partly" | "beyond" | "overtaken" | "none";
    value: number | null;
    covered_s: number;
    note?: string;
  } | null;
  agreement: boolean | null;
  plain: string;
}

/** A month of the city's own records: how far its rates are known, and what the brain would have done. */
export interface Month {
  name: string;
  made_ms: number;
  fault: string | null;
  begin: string;
  end: string;
  days: number;
  whole_days: number;
  set_aside: number;
  warnings: string[];
  rates: {
    kind: string;
    rows: number;
    checked_days: number;
    bias: number | null;
    mae: number | null;
    mase: number | null;
    coverage: number | null;
    nominal: number;
    calibrated: boolean;
  }[];
  signals: {
    name: string;
    why_not: string;
    hours: number;
    unsure: number;
    recorded_s: number | null;
    brain_s: number | null;
    difference_s: number | null;
    low_s: number | null;
    high_s: number | null;
    verdict: string | null;
  }[];
}

/** What a new plan of the round would change. */
export interface RoundChange {
  stops: number;
  moved: { container: number; from: number; to: number; lost: boolean }[];
  left_out: number[];
  trucks_out: number[];
  metres_before: number;
  metres_after: number;
  home_in_s: number;
}

export interface RoundPreview {
  waits: { decision: string; reason: number } | null;
  change: RoundChange | null;
}

/** What the event stream tells of a change of action; the whole decision is fetched where it is shown. */
export interface DecisionNote {
  id: string;
  decided_at_ms: number;
  domain: string;
  junction: string;
  stage: number | null;
  reason: { code: string | number; text: string };
  verdict: string;
  acted: boolean;
}

export type Rung = "shadow" | "advise" | "live";

export interface LadderRung {
  domain: string;
  district: string;
  name?: string;
  rung: Rung;
  since_ms: number | null;
  by: string | null;
  expires_at_ms: number | null;
  agreement: number | null;
}

export interface Alert {
  id: string;
  kind: string;
  /** 1 is the most urgent. */
  severity: 1 | 2 | 3;
  group: string;
  count: number;
  place: { junction: number | null; x_m: number | null; y_m: number | null; district: string | null };
  since_ms: number;
  last_ms: number;
  text: string;
  owner: string | null;
  status: "open" | "acknowledged" | "resolved";
  acknowledged_by: string | null;
  escalated: boolean;
  work_order: Record<string, unknown> | null;
}

export interface SensorItem {
  row: number;
  name: string;
  kind: number;
  x_m: number;
  y_m: number;
  state: string;
  reason: string;
  value: number | null;
  unit: string;
  observed_at_ms: number | null;
  received_at_ms: number | null;
  junction: number | null;
  history?: [ms: number, value: number | null][];
}

export interface SensorHealth {
  total: number;
  by_state: Record<string, number>;
  exceptions: SensorItem[];
}

export interface Scorecard {
  window: Record<string, unknown>;
  figures: {
    key: string;
    label: string;
    value: number | null;
    low: number | null;
    high: number | null;
    unit: string;
    better: "less" | "more" | "";
    source: string;
  }[];
  note: string;
}

export interface DecisionCalibration {
  n: number;
  bias: number | null;
  mae: number | null;
  rank_correlation: number | null;
  bins: { forecast: number; observed: number; n: number }[];
  by_domain: Record<string, ToldShare>;
  services: ServiceForecast[];
}

/** Of a domain's decisions, how many can be held against what was observed. */
export interface ToldShare {
  decisions: number;
  reason: number;
  forecast: number;
  due: number;
  value: number;
  overtaken: number;
  cut: number;
}

export interface ServiceForecast {
  kind: string;
  unit: string;
  decisions: number;
  n: number;
  beyond: number;
  overtaken: number;
  pending: number;
  forecast: number | null;
  observed: number | null;
  bias: number | null;
  mae: number | null;
}

export interface AuditEntry {
  seq: number;
  at_ms: number;
  who: string;
  role: string;
  act: string;
  target: string;
  detail: string;
  hash: string;
}

export interface CaseFile {
  title: string;
  place: string;
  span: unknown;
  lamps: unknown[];
  decisions: Decision[];
  units: { unit: string; status: [atMs: number, what: string][] }[];
  sensor_faults: unknown[];
  operators: unknown[];
  plain: string[];
  redacted: string[];
  digest: string;
}

export interface Found {
  kind: string;
  label: string;
  row: number | null;
  x_m: number | null;
  y_m: number | null;
  url: string;
}

export interface Drill {
  active: boolean;
  until_ms: number | null;
  own_plan: number;
  junctions: number;
  last: Record<string, unknown> | null;
}

export interface Change {
  id: string;
  kind: string;
  why: string;
  by: string;
  status: string;
  body?: unknown;
}

export interface Page<T> {
  items: T[];
  next: string | null;
}
