/** What people work with: alerts, holds, the ladder, decisions as they are made, jobs, changes that wait for a second person. */
import { signal, type Signal } from "@preact/signals";
import { ApiError, get } from "../api/client";
import type { Alert, Change, DecisionNote, Drill, Hold, Job, LadderRung, Page } from "../api/types";

export const alerts = signal<Alert[]>([]);
export const holds = signal<Hold[]>([]);
export const ladder = signal<LadderRung[]>([]);
export const jobs = signal<Job[]>([]);
export const changes = signal<Change[]>([]);
export const drill = signal<Drill | null>(null);
/** Changes of action since the page opened, newest first; the full log is asked for where it is shown. */
export const latest = signal<DecisionNote[]>([]);
/** Parts that this server has not got. */
export const absent = signal<ReadonlySet<string>>(new Set());

const KEPT = 200;

export interface Toast {
  id: number;
  text: string;
  tone: "plain" | "good" | "bad";
}
export const toasts = signal<Toast[]>([]);
let toastId = 0;

/** Say something in the corner and to screen readers; it leaves by itself unless it tells of a failure. */
export function say(text: string, tone: Toast["tone"] = "plain"): void {
  const id = ++toastId;
  toasts.value = [...toasts.value.slice(-3), { id, text, tone }];
  setTimeout(() => dismiss(id), tone === "bad" ? 12_000 : 5_000);
}

export function dismiss(id: number): void {
  toasts.value = toasts.value.filter((toast) => toast.id !== id);
}

export function sayError(error: unknown): void {
  say(error instanceof Error ? error.message : String(error), "bad");
}

async function fill<T>(into: Signal<T>, name: string, path: string, read: (body: never) => T): Promise<void> {
  try {
    into.value = read(await get<never>(path));
  } catch (error) {
    if (error instanceof ApiError && error.absent) absent.value = new Set([...absent.value, name]);
  }
}

export const reload = {
  alerts: () => fill(alerts, "alerts", "/alerts?status=open", (body: Page<Alert>) => body.items),
  holds: () => fill(holds, "holds", "/holds", (body: Page<Hold>) => body.items),
  ladder: () => fill(ladder, "ladder", "/ladder", (body: { rungs: LadderRung[] }) => body.rungs),
  jobs: () => fill(jobs, "jobs", "/jobs", (body: Page<Job>) => body.items),
  changes: () => fill(changes, "changes", "/changes", (body: Page<Change>) => body.items),
  drill: () => fill(drill, "drill", "/drill", (body: Drill) => body),
};

export function reloadAll(): void {
  for (const again of Object.values(reload)) void again();
}

let source: EventSource | null = null;

/** Follow the server's events; the browser itself reconnects and says where it stopped. */
export function listen(): void {
  source?.close();
  source = new EventSource("/api/v1/events");
  on<Alert>("alert", (alert) => {
    if (!alert.place) {
      void reload.alerts();
      return;
    }
    const rest = alerts.value.filter((a) => a.id !== alert.id);
    alerts.value = alert.status === "resolved" ? rest : [alert, ...rest];
  });
  on("hold", () => void reload.holds());
  on<DecisionNote>("decision", (decision) => {
    latest.value = [decision, ...latest.value].slice(0, KEPT);
  });
  on<Job>("job", (job) => {
    const known = jobs.value.find((j) => j.id === job.id);
    if (!known) void reload.jobs();
    else jobs.value = jobs.value.map((j) => (j === known ? { ...known, ...job } : j));
  });
  on("ladder", () => void reload.ladder());
  on("change", () => void reload.changes());
  on("drill", () => void reload.drill());
}

function on<T>(name: string, take: (body: T) => void): void {
  source?.addEventListener(name, (event: MessageEvent<string>) => {
    try {
      take(JSON.parse(event.data) as T);
    } catch {
      // One event that cannot be read; the next full read mends what it missed.
    }
  });
}
