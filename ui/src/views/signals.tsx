/** Signals: one junction in full, and the street it stands in. */
import { useMemo, useState } from "preact/hooks";
import type { Corridor, Decision, Page, SignalDetail, SignalHistory } from "../api/types";
import { Lines } from "../charts/lines";
import { Figure } from "../charts/figure";
import { stagesServing } from "../charts/history";
import {
  CoordinationDiagram,
  PlanApplied,
  SplitFailures,
  SplitMonitor,
  Terminations,
} from "../charts/signal-charts";
import { TimeSpace } from "../charts/time-space";
import { CONTROL_WORDS } from "../map/map-table";
import { Absent } from "../parts/absent";
import { useFetched } from "../parts/fetched";
import { Advice } from "../parts/advice";
import { HoldsList } from "../parts/holds-list";
import { LadderSteps } from "../parts/ladder-dialog";
import { DataTable, type Column } from "../parts/table";
import { Why } from "../parts/why";
import { beat, layout, live, nowMs, pace, scene } from "../state/city";
import { open } from "../state/dialogs";
import { ladder } from "../state/operations";
import { go, route, rowOf } from "../state/route";
import { districtName, figure, number, t, term } from "../words";

const WINDOWS_MIN = [5, 10, 30, 60];
const CORRIDOR_JUNCTIONS = 6;

export function SignalsView() {
  const rows = layout.value;
  const row = rowOf(route.value.item, rows?.junctions.length ?? 0);
  const [minutes, setMinutes] = useState(10);
  if (!rows) return <Absent icon="signals" title={t("load.waiting")} />;
  if (rows.junctions.length === 0) return <Absent icon="signals" title={t("signals.none")} />;
  const chosen = row ?? 0;
  const wrong = route.value.item !== "" && row === null;
  return (
    <div class="view three">
      <aside class="side left" aria-label={t("signals.list")}>
        <JunctionList chosen={chosen} />
      </aside>
      <section class="middle" aria-label={t("signals.charts")}>
        {wrong && (
          <p class="note warn" role="status">
            {t("route.missing")}
          </p>
        )}
        <Charts key={chosen} row={chosen} minutes={minutes} setMinutes={setMinutes} />
      </section>
      <aside class="side" aria-label={t("signals.side")}>
        <Side key={chosen} row={chosen} />
      </aside>
    </div>
  );
}

function JunctionList({ chosen }: { chosen: number }) {
  void beat.value;
  const rows = useMemo(() => (layout.value?.junctions ?? []).map((junction, row) => ({ junction, row })), [layout.value]);
  const j = live.junctions;
  const columns: Column<(typeof rows)[number]>[] = [
    { key: "name", label: t("col.junction"), get: ({ junction }) => junction.label || junction.name },
    {
      key: "stage",
      label: t("col.stage"),
      numeric: true,
      get: ({ row }) => (j ? j.stage[row] : null),
      show: ({ row }) => (j ? (j.stage[row] === 255 ? "…" : j.stage[row] + 1) : "–"),
    },
    { key: "red", label: t("col.red"), numeric: true, get: ({ row }) => j?.longestRedS[row] ?? null },
    { key: "control", label: t("col.control"), get: ({ row }) => term("control_short", scene.value.control[row] ?? 0) },
  ];
  return (
    <div class="block">
      <header>
        <h2>{t("view.signals")}</h2>
      </header>
      <DataTable
        caption={t("signals.list")}
        columns={columns}
        rows={rows}
        rowKey={({ row }) => row}
        selected={chosen}
        filter
        page={60}
        onPick={({ row }) => go("signals", row)}
      />
    </div>
  );
}

/** The instant up to which charts reach: it moves in steps, so that they are not fetched anew each second. */
function useChartEnd(stepMs: number): number {
  // A city that runs faster than the clock moves them no more often.
  const step = stepMs * Math.max(1, Math.ceil(pace.value));
  return Math.floor(nowMs.value / step) * step;
}

function Charts({ row, minutes, setMinutes }: { row: number; minutes: number; setMinutes(n: number): void }) {
  const end = useChartEnd(15_000);
  const begin = end - minutes * 60_000;
  const junction = layout.value?.junctions[row];
  const { value: detail } = useFetched<SignalDetail>(`/signals/${row}`, 5000);
  const { value: history, error } = useFetched<SignalHistory>(
    end ? `/signals/${row}/history?begin_ms=${begin}&end_ms=${end}` : null,
  );
  const along = useMemo(() => corridorOf(row), [row, layout.value]);
  const { value: corridor } = useFetched<Corridor>(
    end && along.length > 1
      ? `/corridor?junctions=${along.join(",")}&begin_ms=${Math.max(begin, end - 600_000)}&end_ms=${end}`
      : null,
  );
  const [approach, setApproach] = useState<number | null>(null);
  const approaches = detail?.approaches ?? [];
  const shown = approaches.find((a) => a.row === approach) ?? approaches[0];
  const serving = useMemo(() => {
    if (!detail || !shown || !junction || !layout.value) return new Set<number>();
    const [from, to] = junction.links;
    const links = layout.value.links
      .slice(from, to)
      .flatMap((link, i) => (link.approach === shown.row ? [i] : []));
    return stagesServing(detail, links);
  }, [detail?.stages, shown?.row, junction]);
  const names = (r: number) => layout.value?.junctions[r]?.label || layout.value?.junctions[r]?.name || String(r);
  const speed = layout.value?.approaches[shown?.row ?? 0]?.speed_limit_mps ?? 13.9;

  return (
    <>
      <div class="block row sticky">
        <h2 class="grow">{junction?.label || junction?.name}</h2>
        <fieldset class="choice seg">
          <legend class="unseen">{t("signals.window")}</legend>
          {WINDOWS_MIN.map((n) => (
            <label key={n}>
              <input type="radio" name="window" checked={n === minutes} onChange={() => setMinutes(n)} />
              {t("unit.min", { n })}
            </label>
          ))}
        </fieldset>
        {approaches.length > 1 && (
          <label class="row small">
            {t("signals.approach")}
            <select
              value={String(shown?.row ?? "")}
              onChange={(event) => setApproach(Number(event.currentTarget.value))}
            >
              {approaches.map((a) => (
                <option key={a.row} value={String(a.row)}>
                  {approachName(a)}
                </option>
              ))}
            </select>
          </label>
        )}
      </div>
      {error ? (
        <Absent icon="signals" title={error.absent ? t("signals.no_history") : error.message} />
      ) : !history ? (
        <Absent icon="signals" title={t("load.waiting")} />
      ) : (
        <div class="panels">
          <PlanApplied history={history} />
          <TimeSpace
            corridor={corridor}
            names={names}
            speedMps={speed}
            begin={Math.max(begin, end - 600_000)}
            end={end}
          />
          {shown && (
            <CoordinationDiagram history={history} serving={serving} approach={shown.row} name={approachName(shown)} />
          )}
          <SplitMonitor history={history} />
          <Terminations history={history} />
          <SplitFailures history={history} />
          <Queues history={history} names={approaches} />
        </div>
      )}
    </>
  );
}

function approachName(a: { row: number; street: string }): string {
  return a.street ? `${a.street} · ${a.row}` : `${t("signals.approach")} ${a.row}`;
}

function Queues({ history, names }: { history: SignalHistory; names: { row: number; street: string }[] }) {
  const { at_ms: times, approach } = history.queues;
  const rows = Object.keys(approach).map(Number);
  const peak = (row: number) => Math.max(0, ...approach[row].map((n) => n ?? 0));
  // Five lines can still be told apart; the table has them all.
  const worst = [...rows].sort((a, b) => peak(b) - peak(a)).slice(0, 5);
  const name = (row: number) => approachName(names.find((a) => a.row === row) ?? { row, street: "" });
  const series = useMemo(() => worst.map((row) => ({ label: name(row), values: approach[row] })), [history]);
  return (
    <Figure
      title={t("chart.queues")}
      note={t("chart.queues_note", { n: worst.length })}
      rows={rows}
      columns={[
        { key: "approach", label: t("signals.approach"), get: (row) => name(row) },
        { key: "now", label: t("chart.last"), numeric: true, get: (row) => approach[row][approach[row].length - 1] ?? null },
        { key: "peak", label: t("chart.peak"), numeric: true, get: peak },
        {
          key: "mean",
          label: t("chart.mean"),
          numeric: true,
          get: (row) => {
            const known = approach[row].filter((n): n is number => n !== null);
            return known.length ? known.reduce((sum, n) => sum + n, 0) / known.length : null;
          },
          show: (row) => {
            const known = approach[row].filter((n): n is number => n !== null);
            return known.length ? number(known.reduce((sum, n) => sum + n, 0) / known.length, 1) : "–";
          },
        },
      ]}
    >
      <Lines label={t("chart.queues")} times={times} series={series} unit={t("unit.veh")} height={200} />
    </Figure>
  );
}

/** The junction and its nearest neighbours along the street it has most of, in order of their place. */
function corridorOf(row: number): number[] {
  const rows = layout.value;
  if (!rows) return [];
  const here = rows.junctions[row];
  const streets = new Map<string, Set<number>>();
  rows.approaches.forEach((a) => {
    const street = rows.edges[a.edge]?.street;
    if (!street) return;
    let on = streets.get(street);
    if (!on) streets.set(street, (on = new Set()));
    on.add(a.junction);
  });
  const mine = [...streets.values()].filter((on) => on.has(row)).sort((a, b) => b.size - a.size)[0];
  const far = (r: number) => Math.hypot(rows.junctions[r].x_m - here.x_m, rows.junctions[r].y_m - here.y_m);
  const near = [...(mine && mine.size > 1 ? mine : rows.junctions.keys())]
    .sort((a, b) => far(a) - far(b))
    .slice(0, CORRIDOR_JUNCTIONS);
  const xs = near.map((r) => rows.junctions[r].x_m);
  const ys = near.map((r) => rows.junctions[r].y_m);
  const across = Math.max(...xs) - Math.min(...xs) > Math.max(...ys) - Math.min(...ys);
  return near.sort((a, b) =>
    across ? rows.junctions[a].x_m - rows.junctions[b].x_m : rows.junctions[a].y_m - rows.junctions[b].y_m,
  );
}

function Side({ row }: { row: number }) {
  void beat.value;
  const { value: detail } = useFetched<SignalDetail>(`/signals/${row}`, 2000);
  const { value: decisions } = useFetched<Page<Decision>>(`/decisions?junction=${row}&changes=1&limit=1`, 4000);
  const decision = decisions?.items[0];
  const j = live.junctions;
  const district = layout.value?.junctions[row]?.district;
  const mine = ladder.value.filter((one) => one.domain === "signals");
  const rung = (mine.find((one) => one.district === district) ?? mine.find((one) => one.district === "*"))?.rung ?? detail?.rung ?? "shadow";
  return (
    <>
      <section class="block" aria-labelledby="now-title">
        <header>
          <h2 id="now-title">{t("signals.now")}</h2>
          <span class="tag">{t(CONTROL_WORDS[scene.value.control[row]] ?? "control.plan")}</span>
        </header>
        <ol class="lamps" aria-label={t("signals.stages")}>
          {(detail?.stages ?? []).map((stage) => {
            const on = j?.stage[row] === stage.local;
            return (
              <li key={stage.local} class={`stagechip ${on ? "on" : ""}`} aria-current={on ? "step" : undefined}>
                {stage.local + 1}
                {on ? ` · ${j?.stageS[row]} s` : ""}
              </li>
            );
          })}
        </ol>
        <dl class="facts row gap">
          <dt>{t("col.longest_red_s")}</dt>
          <dd>
            {j ? `${j.longestRedS[row]} s` : "–"}
            {detail?.limits?.max_red_s ? <span class="soft"> {t("signals.bound", { n: detail.limits.max_red_s })}</span> : null}
          </dd>
          <dt>{t("signals.sensing")}</dt>
          <dd>{detail ? term("sensing", detail.sensing) : "–"}</dd>
        </dl>
        <div class="row gap">
          <button type="button" class="btn main" onClick={() => (open.value = { kind: "hold", row, act: "hold" })}>
            {t("act.hold")} <kbd>H</kbd>
          </button>
          <button type="button" class="btn" onClick={() => (open.value = { kind: "hold", row, act: "release" })}>
            {t("act.release")} <kbd>R</kbd>
          </button>
          <button type="button" class="btn" onClick={() => (open.value = { kind: "hold", row, act: "plan" })}>
            {t("act.plan")} <kbd>P</kbd>
          </button>
        </div>
      </section>
      {rung === "advise" && <Advice row={row} advice={detail?.advice ?? null} />}
      <section class="block" aria-labelledby="junction-holds">
        <header>
          <h3 id="junction-holds">{t("holds.title")}</h3>
        </header>
        <HoldsList row={row} />
      </section>
      <section class="block" aria-labelledby="ladder-here">
        <header>
          <h3 id="ladder-here">{t("ladder.here", { district: districtName(district) })}</h3>
          <button type="button" class="btn slim" onClick={() => (open.value = { kind: "ladder" })}>
            {t("ladder.change")} <kbd>L</kbd>
          </button>
        </header>
        <LadderSteps rung={rung} />
        <p class="small soft">{t(`rung_means.${rung}`)}</p>
      </section>
      <Approaches detail={detail} />
      <section class="block" aria-labelledby="why-title">
        <header>
          <h2 id="why-title">{t("why.title")}</h2>
        </header>
        {decision ? <Why decision={decision} /> : <p class="soft small">{t("why.none")}</p>}
      </section>
    </>
  );
}

function Approaches({ detail }: { detail: SignalDetail | null }) {
  const rows = detail?.approaches ?? [];
  return (
    <section class="block">
      <header>
        <h3>{t("signals.approaches")}</h3>
      </header>
      <DataTable
        caption={t("signals.approaches")}
        rows={rows}
        rowKey={(a) => a.row}
        columns={[
          { key: "street", label: t("col.street"), get: (a) => approachName(a) },
          { key: "queue", label: t("col.standing"), numeric: true, get: (a) => a.queue_veh },
          { key: "seen", label: t("col.seen"), numeric: true, get: (a) => a.seen_veh },
          { key: "age", label: t("col.age_s"), numeric: true, get: (a) => a.age_s, show: (a) => number(a.age_s, 1) },
          ...(rows.some((a) => typeof a.flow_vph === "number")
            ? [
                {
                  key: "flow",
                  label: t("col.flow"),
                  numeric: true,
                  get: (a: (typeof rows)[number]) => a.flow_vph,
                  show: (a: (typeof rows)[number]) => figure(a.flow_vph),
                },
              ]
            : []),
        ]}
      />
      {(detail?.crossings ?? []).some((c) => c.waiting) && (
        <p class="small">
          {t("signals.walkers", { n: (detail?.crossings ?? []).reduce((sum, c) => sum + Number(c.waiting ?? 0), 0) })}
        </p>
      )}
    </section>
  );
}
