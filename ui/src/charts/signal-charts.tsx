/** The junction's charts by their ATSPM names: coordination, splits, terminations, failures, plan against applied. */
import { useMemo } from "preact/hooks";
import type { SignalHistory } from "../api/types";
import { clock, number, percent, t, term } from "../words";
import { areaOf, drawMark, drawTimeAxis, drawValueAxis, numberTicks, scaleOf, AXIS_FONT } from "./axes";
import { Figure, Plot, type Draw } from "./figure";
import { coordination, ENDED, greensOf, proposedRuns, runsOf, splitsOf, type Split, type StageRun } from "./history";

export const stageName = (local: number) => (local < 0 ? t("stage.change") : t("stage.n", { n: local + 1 }));

/** Purdue coordination diagram: each arrival at the second of its cycle, over the line where green began. */
export function CoordinationDiagram(props: {
  history: SignalHistory;
  serving: ReadonlySet<number>;
  approach: number;
  name: string;
}) {
  const { history, serving, approach, name } = props;
  const data = useMemo(
    () => coordination(history, greensOf(runsOf(history), serving), approach),
    [history, serving, approach],
  );
  const draw: Draw = useMemo(
    () => (ctx, w, h, p) => {
      const a = areaOf(w, h);
      const high = Math.max(30, ...data.cycles.map((c) => c.end_s)) * 1.05;
      const x = scaleOf(history.begin_ms, history.end_ms, a.left, a.right);
      const y = scaleOf(0, high, a.bottom, a.top);
      drawTimeAxis(ctx, a, history.begin_ms, history.end_ms, p);
      drawValueAxis(ctx, a, numberTicks(0, high), y, (v) => `${v} s`, p);
      for (const cycle of data.cycles) {
        const x0 = x(cycle.begin_ms);
        const x1 = x(cycle.begin_ms + cycle.end_s * 1000);
        ctx.fillStyle = p.green;
        ctx.globalAlpha = 0.12;
        ctx.fillRect(x0, y(cycle.end_s), x1 - x0, y(cycle.green_s) - y(cycle.end_s));
        ctx.globalAlpha = 1;
        ctx.lineWidth = 2;
        ctx.strokeStyle = p.green;
        ctx.beginPath();
        ctx.moveTo(x0, y(cycle.green_s));
        ctx.lineTo(x1, y(cycle.green_s));
        ctx.stroke();
        ctx.strokeStyle = p.red;
        ctx.setLineDash([4, 2]);
        ctx.beginPath();
        ctx.moveTo(x0, y(cycle.end_s));
        ctx.lineTo(x1, y(cycle.end_s));
        ctx.stroke();
        ctx.setLineDash([]);
      }
      for (const arrival of data.arrivals) {
        ctx.fillStyle = arrival.green ? p.series[0] : p.text;
        drawMark(ctx, arrival.green ? 0 : 1, x(arrival.at_ms), y(arrival.phase_s), arrival.n > 1 ? 3 : 2.2);
      }
    },
    [data, history],
  );
  const share = data.all ? data.onGreen / data.all : null;
  return (
    <Figure
      wide
      title={`${t("chart.pcd")}: ${name}`}
      note={t("chart.pcd_note", { share: percent(share), n: number(data.all) })}
      empty={t("chart.no_arrivals")}
      rows={data.arrivals}
      columns={[
        { key: "at", label: t("col.time"), get: (row) => row.at_ms, show: (row) => clock(row.at_ms) },
        { key: "phase", label: t("col.cycle_s"), numeric: true, get: (row) => row.phase_s, show: (row) => number(row.phase_s, 1) },
        { key: "n", label: t("col.vehicles"), numeric: true, get: (row) => row.n },
        { key: "on", label: t("col.on"), get: (row) => t(row.green ? "on.green" : "on.red") },
      ]}
    >
      <Plot label={t("chart.pcd_note", { share: percent(share), n: number(data.all) })} height={230} draw={draw} />
      <ul class="keys">
        <li>● {t("on.green")}</li>
        <li>■ {t("on.red")}</li>
        <li>— {t("chart.green_begins")}</li>
        <li>╌ {t("chart.green_ends")}</li>
      </ul>
    </Figure>
  );
}

const splitColumns = () => [
  { key: "at", label: t("col.time"), get: (row: Split) => row.at_ms, show: (row: Split) => clock(row.at_ms) },
  { key: "stage", label: t("col.stage"), numeric: true, get: (row: Split) => row.stage + 1 },
  { key: "green", label: t("col.green_s"), numeric: true, get: (row: Split) => row.green_s, show: (row: Split) => number(row.green_s, 1) },
  { key: "ended", label: t("col.ended"), get: (row: Split) => term("ended", row.ended) },
  { key: "served", label: t("col.served"), numeric: true, get: (row: Split) => row.served },
  { key: "waiting", label: t("col.left"), numeric: true, get: (row: Split) => row.waiting },
];

function shapeOf(ended: string): number {
  const at = (ENDED as readonly string[]).indexOf(ended);
  return at < 0 ? 4 : at;
}

function EndedKey() {
  const marks = ["●", "■", "▲", "◆", "▬"];
  return (
    <ul class="keys">
      {ENDED.map((ended, i) => (
        <li key={ended}>
          {marks[i]} {term("ended", ended)}
        </li>
      ))}
    </ul>
  );
}

/** Split monitor: the green that each stage had, cycle by cycle, marked by how it ended. */
export function SplitMonitor({ history }: { history: SignalHistory }) {
  const splits = useMemo(() => splitsOf(history), [history]);
  const stages = [...new Set(splits.map((s) => s.stage))].sort((a, b) => a - b);
  const draw: Draw = useMemo(
    () => (ctx, w, h, p) => {
      const row = (h - 24) / Math.max(1, stages.length);
      const high = Math.max(10, ...splits.map((s) => s.green_s)) * 1.1;
      const a = areaOf(w, h, 62);
      const x = scaleOf(history.begin_ms, history.end_ms, a.left, a.right);
      drawTimeAxis(ctx, a, history.begin_ms, history.end_ms, p);
      stages.forEach((stage, i) => {
        const [top, bottom] = [4 + i * row + 8, 4 + (i + 1) * row - 6];
        const y = scaleOf(0, high, bottom, top);
        ctx.strokeStyle = p.grid;
        ctx.strokeRect(a.left + 0.5, Math.round(top) + 0.5, a.right - a.left, Math.round(bottom - top));
        ctx.font = AXIS_FONT;
        ctx.textAlign = "left";
        ctx.textBaseline = "middle";
        ctx.fillStyle = p.text;
        ctx.fillText(stageName(stage), 0, (top + bottom) / 2 - 6);
        ctx.fillStyle = p.soft;
        ctx.fillText(`≤ ${Math.round(high)} s`, 0, (top + bottom) / 2 + 8);
        for (const split of splits) {
          if (split.stage !== stage) continue;
          const px = x(split.at_ms);
          ctx.strokeStyle = p.series[i % p.series.length];
          ctx.lineWidth = 1.5;
          ctx.beginPath();
          ctx.moveTo(px, bottom);
          ctx.lineTo(px, y(split.green_s));
          ctx.stroke();
          ctx.fillStyle = p.text;
          drawMark(ctx, shapeOf(split.ended), px, y(split.green_s), 3);
        }
      });
    },
    [splits, history],
  );
  return (
    <Figure title={t("chart.splits")} note={t("chart.splits_note")} rows={splits} columns={splitColumns()}>
      <Plot label={t("chart.splits_note")} height={Math.max(140, 24 + stages.length * 62)} draw={draw} />
      <EndedKey />
    </Figure>
  );
}

/** Phase termination: which stage ended when and why. */
export function Terminations({ history }: { history: SignalHistory }) {
  const splits = useMemo(() => splitsOf(history), [history]);
  const stages = [...new Set(splits.map((s) => s.stage))].sort((a, b) => a - b);
  const draw: Draw = useMemo(
    () => (ctx, w, h, p) => {
      const a = areaOf(w, h, 62);
      const x = scaleOf(history.begin_ms, history.end_ms, a.left, a.right);
      const y = scaleOf(-0.5, stages.length - 0.5, a.top, a.bottom);
      drawTimeAxis(ctx, a, history.begin_ms, history.end_ms, p);
      drawValueAxis(ctx, a, stages.map((_, i) => i), y, (i) => stageName(stages[i]), p);
      for (const split of splits) {
        const shape = shapeOf(split.ended);
        ctx.fillStyle = shape === 1 ? p.bad : shape === 3 ? p.warn : p.text;
        drawMark(ctx, shape, x(split.at_ms + split.green_s * 1000), y(stages.indexOf(split.stage)), 4);
      }
    },
    [splits, history],
  );
  return (
    <Figure title={t("chart.ended")} note={t("chart.ended_note")} rows={splits} columns={splitColumns()}>
      <Plot label={t("chart.ended_note")} height={Math.max(120, 40 + stages.length * 30)} draw={draw} />
      <EndedKey />
    </Figure>
  );
}

/** Split failures: greens at whose end somebody still stood. */
export function SplitFailures({ history }: { history: SignalHistory }) {
  const splits = useMemo(() => splitsOf(history).filter((s) => s.waiting !== null), [history]);
  const stages = [...new Set(splits.map((s) => s.stage))].sort((a, b) => a - b);
  const failed = splits.filter((s) => (s.waiting ?? 0) > 0).length;
  const draw: Draw = useMemo(
    () => (ctx, w, h, p) => {
      const a = areaOf(w, h, 62);
      const x = scaleOf(history.begin_ms, history.end_ms, a.left, a.right);
      const y = scaleOf(-0.5, stages.length - 0.5, a.top, a.bottom);
      drawTimeAxis(ctx, a, history.begin_ms, history.end_ms, p);
      drawValueAxis(ctx, a, stages.map((_, i) => i), y, (i) => stageName(stages[i]), p);
      for (const split of splits) {
        const [px, py] = [x(split.at_ms + split.green_s * 1000), y(stages.indexOf(split.stage))];
        if ((split.waiting ?? 0) > 0) {
          ctx.fillStyle = p.bad;
          const tall = Math.min(11, 3 + (split.waiting ?? 0));
          ctx.fillRect(px - 2, py - tall, 4, tall * 2);
        } else {
          ctx.fillStyle = p.soft;
          ctx.fillRect(px - 1, py - 1, 2, 2);
        }
      }
    },
    [splits, history],
  );
  const note = t("chart.failures_note", { n: number(failed), of: number(splits.length) });
  return (
    <Figure title={t("chart.failures")} note={note} rows={splits} columns={splitColumns()}>
      <Plot label={note} height={Math.max(120, 40 + stages.length * 30)} draw={draw} />
    </Figure>
  );
}

/** What was asked for above what the street was shown, over the same minutes. */
export function PlanApplied({ history }: { history: SignalHistory }) {
  const applied = useMemo(() => runsOf(history), [history]);
  const proposed = useMemo(() => proposedRuns(history), [history]);
  const draw: Draw = useMemo(
    () => (ctx, w, h, p) => {
      const a = areaOf(w, h, 74);
      const x = scaleOf(history.begin_ms, history.end_ms, a.left, a.right);
      drawTimeAxis(ctx, a, history.begin_ms, history.end_ms, p);
      const row = (runs: readonly StageRun[], top: number, name: string) => {
        ctx.font = AXIS_FONT;
        ctx.textAlign = "left";
        ctx.textBaseline = "middle";
        ctx.fillStyle = p.text;
        ctx.fillText(name, 0, top + 15);
        for (const run of runs) {
          const [x0, x1] = [x(run.begin_ms), x(run.end_ms)];
          ctx.fillStyle = run.stage < 0 ? p.grid : p.series[run.stage % p.series.length];
          ctx.globalAlpha = run.stage < 0 ? 1 : 0.85;
          ctx.fillRect(x0, top, Math.max(0.6, x1 - x0 - 0.6), 30);
          ctx.globalAlpha = 1;
          if (x1 - x0 > 13 && run.stage >= 0) {
            ctx.fillStyle = p.ground;
            ctx.textAlign = "center";
            ctx.fillText(String(run.stage + 1), (x0 + x1) / 2, top + 15);
          }
        }
      };
      row(proposed, 12, t("chart.proposed"));
      row(applied, 54, t("chart.applied"));
    },
    [applied, proposed, history],
  );
  return (
    <Figure
      wide
      title={t("chart.plan")}
      note={t("chart.plan_note")}
      rows={applied}
      columns={[
        { key: "at", label: t("col.time"), get: (row) => row.begin_ms, show: (row) => clock(row.begin_ms) },
        { key: "stage", label: t("chart.applied"), get: (row) => stageName(row.stage) },
        { key: "long", label: t("col.shown_s"), numeric: true, get: (row) => Math.round((row.end_ms - row.begin_ms) / 1000) },
        { key: "mode", label: t("col.control"), get: (row) => term("mode", row.mode) },
        {
          key: "proposed",
          label: t("chart.proposed"),
          get: (row) => {
            const asked = [...proposed].reverse().find((p) => p.begin_ms <= row.begin_ms);
            return asked ? stageName(asked.stage) : null;
          },
        },
      ]}
    >
      <Plot label={t("chart.plan_note")} height={116} draw={draw} />
    </Figure>
  );
}
