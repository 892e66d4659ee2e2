/** Two synchronised halves of one map: the same city, seed and second, under two controls. */
import { createContext } from "preact";
import { useContext, useMemo, useState } from "preact/hooks";
import type { Half, HalvesTold } from "../api/halves";
import { Lines } from "../charts/lines";
import { Figure } from "../charts/figure";
import { Camera } from "../map/camera";
import type { LayerName } from "../map/layers";
import { TableOf } from "../map/map-table";
import { MapView } from "../map/map-view";
import type { Pick } from "../map/renderer";
import { useFetched } from "../parts/fetched";
import { DataTable } from "../parts/table";
import { attach, beat, city, live, nowMs, replaying, scene } from "../state/city";
import { attachLeft, leftBeat, leftLive, leftNowMs, leftScene } from "../state/halves";
import { clock, figure, hasTerm, number, percent, t, term } from "../words";
import { armName } from "../words/arms";

const READ_EVERY_MS = 2000;
/** Halves that are further apart than this are not the same second, and the page says so. */
const APART_MS = 3000;
const OFFERED: readonly LayerName[] = ["roads", "queues", "signals", "vehicles", "people", "units", "labels"];

/** What both arms say of themselves; read once for everything that shows it. */
const Told = createContext<HalvesTold | null>(null);

export function HalvesTeller({ children }: { children: preact.ComponentChildren }) {
  const { value } = useFetched<HalvesTold>(city.value?.halves ? "/halves" : null, READ_EVERY_MS);
  return <Told.Provider value={value}>{children}</Told.Provider>;
}

interface Props {
  selected: { x: number; y: number } | null;
  onPick(pick: Pick): void;
}

export function HalvesMap({ selected, onPick }: Props) {
  const camera = useMemo(() => new Camera(), []);
  const [, turn] = useState(0);
  const told = useContext(Told);
  const shown = city.value?.halves;
  if (!shown) return null;
  const onView = () => turn((n) => n + 1);
  const apart = !replaying.value && leftNowMs.value > 0 && Math.abs(leftNowMs.value - nowMs.value) > APART_MS;
  return (
    <div class="halves">
      <section class="half" aria-labelledby="half-left">
        <HalfHead id="half-left" side="left" arm={shown.left} half={told?.halves.left} />
        <TableOf.Provider value={{ scene: leftScene, live: leftLive, beat: leftBeat }}>
          <MapView
            label={armName(shown.left)}
            half={{ side: "left", camera, attach: attachLeft, onView }}
            offered={OFFERED}
            selected={selected}
            onPick={onPick}
          />
        </TableOf.Provider>
        {apart && <p class="note apart">{t("halves.apart", { at: clock(leftNowMs.value) })}</p>}
      </section>
      <section class="half" aria-labelledby="half-right">
        <HalfHead id="half-right" side="right" arm={shown.right} half={told?.halves.right} />
        <TableOf.Provider value={{ scene, live, beat }}>
          <MapView
            label={armName(shown.right)}
            half={{ side: "right", camera, attach, onView }}
            offered={OFFERED}
            selected={selected}
            onPick={onPick}
          />
        </TableOf.Provider>
      </section>
    </div>
  );
}

function HalfHead({ id, side, arm, half }: { id: string; side: "left" | "right"; arm: string; half?: Half }) {
  const told = useContext(Told);
  const delay = told?.difference[side === "left" ? "left_s" : "right_s"];
  return (
    <header class="halfhead">
      <h2 id={id}>
        {armName(arm)}
      </h2>
      {half?.unplugged && (
        <span class="tag bad">
          <span aria-hidden="true">▲</span> {t("halves.unplugged")}
        </span>
      )}
      <dl class="halffigures">
        <div>
          <dt>{t("halves.delay")}</dt>
          <dd>{delay === null || delay === undefined ? "–" : `${number(delay, 1)} s`}</dd>
        </div>
        <div>
          <dt>{t("halves.standing")}</dt>
          <dd>{number(half?.standing)}</dd>
        </div>
        <div>
          <dt>{t("halves.vehicles")}</dt>
          <dd>{number(half?.vehicles)}</dd>
        </div>
        <div>
          <dt>{t("halves.led")}</dt>
          <dd>{half?.led === undefined ? "–" : t("halves.led_of", { n: half.led, of: half.led + (half.own ?? 0) + (half.back ?? 0) })}</dd>
        </div>
      </dl>
    </header>
  );
}

/** The difference in words, the same numbers as a table, and the delay so far as a chart. */
export function HalvesSide() {
  const told = useContext(Told);
  const shown = city.value?.halves;
  if (!shown) return null;
  const [left, right] = [armName(shown.left), armName(shown.right)];
  return (
    <section class="block" aria-labelledby="halves-title">
      <header>
        <h2 id="halves-title">{t("halves.title", { left, right })}</h2>
      </header>
      {!told || told.state === "starting" ? (
        <p class="note" role="status">
          {t("halves.starting")}
        </p>
      ) : (
        <>
          <p class="difference" role="status">
            {inWords(told, left, right)}
          </p>
          {told.seeds.length > 1 && <p class="tiny soft">{t("halves.seed", { n: told.seeds.indexOf(told.seed) + 1, of: told.seeds.length })}</p>}
          {told.result ? <Result told={told} left={left} right={right} /> : <Running told={told} left={left} right={right} />}
          <Chart told={told} left={left} right={right} />
          {told.report && (
            <p class="small">
              <a href="/api/v1/halves/report" target="_blank" rel="noopener">
                {t("halves.report")}
              </a>
            </p>
          )}
        </>
      )}
      <p class="tiny soft">{t("halves.note")}</p>
    </section>
  );
}

function inWords(told: HalvesTold, left: string, right: string): string {
  const { verdict, why, after_s, least_s, delay_s, share } = told.difference;
  const minutes = Math.floor(after_s / 60);
  if (told.result && told.result.seeds.length > 1) {
    const main = told.result.pairs.find((pair) => pair.measure === "delay_s");
    if (main && main.low !== null) {
      const words = { n: told.result.seeds.length, mean: number(main.difference, 1), low: number(main.low, 1), high: number(main.high, 1) };
      return t(main.verdict === "better" ? "halves.gain" : main.verdict === "worse" ? "halves.loss" : "halves.unclear", { ...words, left, right });
    }
  }
  if (verdict === "too early") {
    const head = told.state === "done" ? t("halves.not_clear") : t("halves.too_early");
    return `${head} ${why === "young" ? t("halves.young", { n: minutes, of: least_s / 60 }) : t("halves.changing")}`;
  }
  const amount = { n: minutes, s: number(Math.abs(delay_s ?? 0), 1), share: percent(Math.abs(share ?? 0)), left, right };
  return `${t(verdict === "less" ? "halves.less" : "halves.more", amount)} ${t("halves.one_pair")}`;
}

function Running({ told, left, right }: { told: HalvesTold; left: string; right: string }) {
  const { halves, difference } = told;
  const rows = [
    { key: "delay", label: `${t("halves.delay")} [s]`, left: difference.left_s, right: difference.right_s, digits: 1 },
    { key: "standing", label: t("halves.standing"), left: halves.left.standing, right: halves.right.standing, digits: 0 },
    { key: "vehicles", label: t("halves.vehicles"), left: halves.left.vehicles, right: halves.right.vehicles, digits: 0 },
    { key: "led", label: t("halves.led"), left: halves.left.led, right: halves.right.led, digits: 0 },
    { key: "own", label: t("halves.own"), left: halves.left.own, right: halves.right.own, digits: 0 },
  ].map((row) => ({ ...row, left: row.left ?? null, right: row.right ?? null }));
  const less = (row: (typeof rows)[number]) => (row.left === null || row.right === null ? null : row.right - row.left);
  return (
    <DataTable
      caption={t("halves.table")}
      rows={rows}
      rowKey={(row) => row.key}
      columns={[
        { key: "label", label: t("col.figure"), get: (row) => row.label },
        { key: "left", label: left, numeric: true, get: (row) => row.left, show: (row) => number(row.left, row.digits) },
        { key: "right", label: right, numeric: true, get: (row) => row.right, show: (row) => number(row.right, row.digits) },
        { key: "less", label: t("halves.difference"), numeric: true, get: less, show: (row) => number(less(row), row.digits) },
      ]}
    />
  );
}

function Result({ told, left, right }: { told: HalvesTold; left: string; right: string }) {
  const rows = told.result?.pairs ?? [];
  return (
    <DataTable
      caption={t("halves.result")}
      rows={rows}
      rowKey={(row) => row.measure}
      columns={[
        {
          key: "label",
          label: t("col.figure"),
          get: (row) => (hasTerm("measure", row.measure) ? term("measure", row.measure) : row.label),
        },
        { key: "left", label: left, numeric: true, get: (row) => row.left, show: (row) => figure(row.left) },
        { key: "right", label: right, numeric: true, get: (row) => row.right, show: (row) => figure(row.right) },
        {
          key: "less",
          label: t("halves.difference"),
          numeric: true,
          get: (row) => row.difference,
          show: (row) => (row.low === null ? figure(row.difference) : `${figure(row.difference)} (${figure(row.low)} – ${figure(row.high)})`),
        },
      ]}
    />
  );
}

function Chart({ told, left, right }: { told: HalvesTold; left: string; right: string }) {
  const { every_s, left_s, right_s } = told.marks;
  const begin = (told.halves.right.end_s ?? 0) - told.minutes * 60;
  const times = useMemo(() => left_s.map((_, i) => (begin + (i + 1) * every_s) * 1000), [left_s.length, begin, every_s]);
  const series = useMemo(
    () => [
      { label: left, values: left_s },
      { label: right, values: right_s },
    ],
    [left_s.length, told.seed, left, right],
  );
  const rows = times.map((at, i) => ({ at, left: left_s[i], right: right_s[i] }));
  return (
    <Figure
      title={t("halves.chart")}
      empty={t("halves.no_marks")}
      rows={rows}
      columns={[
        { key: "at", label: t("col.time"), get: (row) => row.at, show: (row) => clock(row.at) },
        { key: "left", label: left, numeric: true, get: (row) => row.left, show: (row) => number(row.left, 1) },
        { key: "right", label: right, numeric: true, get: (row) => row.right, show: (row) => number(row.right, 1) },
      ]}
    >
      <Lines label={t("halves.chart")} times={times} series={series} unit="s" height={150} />
    </Figure>
  );
}
