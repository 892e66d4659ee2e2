/** What the signal charts need, worked out of a junction's recorded history. Pure. */
import type { SignalDetail, SignalHistory } from "../api/types";

export const ENDED = ["gap out", "max out", "force off", "hold", "plan"] as const;

export interface Green {
  begin_ms: number;
  end_ms: number;
}

export interface StageRun {
  stage: number;
  begin_ms: number;
  end_ms: number;
  mode: number;
}

/** Stages as shown, each with its end; -1 is a change between stages. */
export function runsOf(history: SignalHistory): StageRun[] {
  return history.stages.map(([begin_ms, stage, mode], i) => ({
    stage,
    mode,
    begin_ms,
    end_ms: history.stages[i + 1]?.[0] ?? history.end_ms,
  }));
}

export function proposedRuns(history: SignalHistory): StageRun[] {
  return history.proposed.map(([begin_ms, stage], i) => ({
    stage,
    mode: -1,
    begin_ms,
    end_ms: history.proposed[i + 1]?.[0] ?? history.end_ms,
  }));
}

/** Stages in which some vehicle movement of an approach may go. */
export function stagesServing(detail: SignalDetail, linksOfApproach: readonly number[]): Set<number> {
  return new Set(
    detail.stages
      .filter((stage) => linksOfApproach.some((link) => stage.lamps[link] === 1 || stage.lamps[link] === 2))
      .map((stage) => stage.local),
  );
}

/** Times at which an approach was green, joined where one stage follows another that also serves it. */
export function greensOf(runs: readonly StageRun[], serving: ReadonlySet<number>): Green[] {
  const greens: Green[] = [];
  for (const run of runs) {
    if (!serving.has(run.stage)) continue;
    const last = greens[greens.length - 1];
    if (last && run.begin_ms - last.end_ms < 500) last.end_ms = run.end_ms;
    else greens.push({ begin_ms: run.begin_ms, end_ms: run.end_ms });
  }
  return greens;
}

export interface Arrival {
  at_ms: number;
  /** Seconds since the red before it began. */
  phase_s: number;
  n: number;
  green: boolean;
}

export interface Cycle {
  /** The instant its red began, as the last green ended. */
  begin_ms: number;
  green_s: number;
  end_s: number;
}

/** The coordination diagram of an approach: a cycle runs from the end of its green to the end of the next. */
export function coordination(
  history: SignalHistory,
  greens: readonly Green[],
  approach: number,
): { cycles: Cycle[]; arrivals: Arrival[]; onGreen: number; all: number } {
  const cycles: Cycle[] = [];
  for (let i = 1; i < greens.length; i++) {
    const begin_ms = greens[i - 1].end_ms;
    cycles.push({
      begin_ms,
      green_s: (greens[i].begin_ms - begin_ms) / 1000,
      end_s: (greens[i].end_ms - begin_ms) / 1000,
    });
  }
  const arrivals: Arrival[] = [];
  let [onGreen, all, at] = [0, 0, 0];
  for (const [at_ms, row, n] of history.arrivals) {
    if (row !== approach || n <= 0) continue;
    while (at + 1 < cycles.length && cycles[at + 1].begin_ms <= at_ms) at++;
    const cycle = cycles[at];
    if (!cycle || at_ms < cycle.begin_ms || at_ms > cycle.begin_ms + cycle.end_s * 1000) continue;
    const phase_s = (at_ms - cycle.begin_ms) / 1000;
    const green = phase_s >= cycle.green_s;
    arrivals.push({ at_ms, phase_s, n, green });
    all += n;
    if (green) onGreen += n;
  }
  return { cycles, arrivals, onGreen, all };
}

export interface Split {
  at_ms: number;
  stage: number;
  green_s: number;
  served: number | null;
  waiting: number | null;
  ended: string;
}

export function splitsOf(history: SignalHistory): Split[] {
  return history.cycles.flatMap((cycle) => {
    let at_ms = cycle.begin_ms;
    return cycle.stages.map((stage) => {
      const split = {
        at_ms,
        stage: stage.stage,
        green_s: stage.green_s,
        served: stage.served,
        waiting: stage.waiting_at_end,
        ended: stage.ended,
      };
      at_ms += stage.green_s * 1000;
      return split;
    });
  });
}
