/** City: the map of everything, what is wrong, and what is selected. */
import { useSignalEffect } from "@preact/signals";
import { useState } from "preact/hooks";
import type { DecisionNote, Scorecard, SensorItem } from "../api/types";
import { Lines } from "../charts/lines";
import { CONTROL_WORDS, sensorKind } from "../map/map-table";
import { MapView } from "../map/map-view";
import type { LayerName } from "../map/layers";
import type { Pick } from "../map/renderer";
import type { Thing } from "../map/scene";
import { HalvesMap, HalvesSide, HalvesTeller } from "./halves";
import { AlertList, openAlerts } from "../parts/alerts";
import { useFetched } from "../parts/fetched";
import { HoldsList } from "../parts/holds-list";
import { Scrubber } from "../parts/scrubber";
import { Told } from "../parts/why";
import { beat, city, layout, live, placeAlerts, scene } from "../state/city";
import { open } from "../state/dialogs";
import { latest } from "../state/operations";
import { go, href, route } from "../state/route";
import { clock, districtName, figure, hasTerm, number, t, term } from "../words";
import { stageName } from "../charts/signal-charts";
import { reasonOf } from "../parts/why";

const OFFERED: readonly LayerName[] = [
  "roads",
  "queues",
  "signals",
  "vehicles",
  "people",
  "units",
  "refuse",
  "alerts",
  "sensors",
  "labels",
  "base",
];

/** Alerts with a place of their own, or that of their junction. */
function alertThings(): Thing[] {
  return openAlerts().flatMap((alert) => {
    const junction = alert.place.junction === null ? undefined : layout.value?.junctions[alert.place.junction];
    const x = alert.place.x_m ?? junction?.x_m;
    const y = alert.place.y_m ?? junction?.y_m;
    if (x === undefined || y === undefined) return [];
    const level = alert.severity === 1 ? 2 : alert.severity === 2 ? 1 : 0;
    return [{ id: alert.id, kind: "alert" as const, label: term("alertkind", alert.kind), x, y, level, detail: alert.text }];
  });
}

export function CityView() {
  useSignalEffect(() => placeAlerts(alertThings()));
  const { query } = route.value;
  const rows = layout.value;
  const junction = rows && /^\d+$/.test(query.junction ?? "") ? rows.junctions[Number(query.junction)] : undefined;
  const [spot, setSpot] = useState<{ x: number; y: number } | null>(null);
  const onPick = (pick: Pick) => {
    const next: Record<string, string> = {};
    if (query.at) next.at = query.at;
    if (pick.kind === "alert") next.alert = pick.id;
    else if (pick.kind === "junction" || pick.kind === "edge" || pick.kind === "sensor") next[pick.kind] = String(pick.row);
    else next.thing = pick.id;
    go("city", "", next);
  };
  const selected = junction ? { x: junction.x_m, y: junction.y_m } : spot;
  const split = Boolean(city.value?.halves);
  const view = (
    <div class={`view ${split ? "split" : ""}`}>
      <div class="mapcolumn">
        {split ? (
          <HalvesMap selected={selected} onPick={onPick} />
        ) : (
          <MapView label={t("map.of_city")} offered={OFFERED} selected={selected} onPick={onPick} />
        )}
        <Scrubber />
      </div>
      <aside class="side" aria-label={t("city.side")}>
        <Selected setSpot={setSpot} />
        {split && <HalvesSide />}
        <Figures />
        <section class="block" aria-labelledby="alerts-title">
          <header>
            <h2 id="alerts-title">{t("alerts.title")}</h2>
          </header>
          <AlertList />
        </section>
        <section class="block" aria-labelledby="holds-title">
          <header>
            <h2 id="holds-title">{t("holds.title")}</h2>
          </header>
          <HoldsList />
        </section>
        <Latest />
      </aside>
    </div>
  );
  return split ? <HalvesTeller>{view}</HalvesTeller> : view;
}

function Figures() {
  const { value, error } = useFetched<Scorecard>("/scorecard?window_s=3600", 10_000);
  if (error) return error.absent ? null : <p class="block small soft">{error.message}</p>;
  const figures = value?.figures.slice(0, 6) ?? [];
  if (!figures.length) return null;
  return (
    <section aria-label={t("city.last_hour")}>
      <div class="kpis">
        {figures.map((one) => (
          <div key={one.key} class="kpi" title={one.source}>
            <b>
              {figure(one.value)} <span>{term("unitname", one.unit)}</span>
            </b>
            <span>{hasTerm("figure", one.key) ? term("figure", one.key) : one.label}</span>
          </div>
        ))}
      </div>
      <p class="tiny soft kpinote">
        {t("city.figures_note")} {[...new Set(figures.map((one) => term("source", one.source)))].join(", ")}
      </p>
    </section>
  );
}

function Selected({ setSpot }: { setSpot(at: { x: number; y: number } | null): void }) {
  const { query } = route.value;
  const rows = layout.value;
  if (!rows) return null;
  if (query.junction) return <JunctionCard row={Number(query.junction)} />;
  if (query.edge) return <EdgeCard row={Number(query.edge)} />;
  if (query.sensor) return <SensorCard row={Number(query.sensor)} setSpot={setSpot} />;
  if (query.thing) return <ThingCard id={query.thing} />;
  return null;
}

function Card({ title, kind, children }: { title: string; kind: string; children: preact.ComponentChildren }) {
  return (
    <section class="block selected" aria-label={`${kind} ${title}`}>
      <header>
        <div>
          <p class="tiny soft">{kind}</p>
          <h2>{title}</h2>
        </div>
        <a class="btn slim plain" href={href("city")}>
          {t("act.unselect")}
        </a>
      </header>
      {children}
    </section>
  );
}

function JunctionCard({ row }: { row: number }) {
  void beat.value;
  const junction = layout.value?.junctions[row];
  if (!junction) return <Missing />;
  const j = live.junctions;
  return (
    <Card title={junction.label || junction.name} kind={t("col.junction")}>
      <dl class="facts">
        <dt>{t("col.control")}</dt>
        <dd>{t(CONTROL_WORDS[scene.value.control[row]] ?? "control.plan")}</dd>
        <dt>{t("col.stage")}</dt>
        <dd>{j ? (j.stage[row] === 255 ? t("stage.change") : `${t("stage.n", { n: j.stage[row] + 1 })} · ${j.stageS[row]} s`) : "–"}</dd>
        <dt>{t("col.longest_red_s")}</dt>
        <dd>{j ? `${j.longestRedS[row]} s` : "–"}</dd>
        <dt>{t("col.district")}</dt>
        <dd>{districtName(junction.district)}</dd>
      </dl>
      <div class="row gap">
        <a class="btn slim" href={href("signals", row)}>
          {t("city.open_signals")}
        </a>
        <button type="button" class="btn slim" onClick={() => (open.value = { kind: "hold", row, act: "hold" })}>
          {t("act.hold")} <kbd>H</kbd>
        </button>
        <button type="button" class="btn slim" onClick={() => (open.value = { kind: "hold", row, act: "release" })}>
          {t("act.release")} <kbd>R</kbd>
        </button>
      </div>
    </Card>
  );
}

function EdgeCard({ row }: { row: number }) {
  void beat.value;
  const edge = layout.value?.edges[row];
  if (!edge) return <Missing />;
  const share = live.share?.[row];
  const known = share !== undefined && share !== 255;
  return (
    <Card title={edge.street || edge.name} kind={t("thing.road")}>
      <dl class="facts">
        <dt>{t("col.edge")}</dt>
        <dd class="mono">{edge.name}</dd>
        <dt>{t("col.speed_kmh")}</dt>
        <dd>
          {known ? number((share / 200) * edge.speed_limit_mps * 3.6) : "–"}{" "}
          <span class="soft">{t("edge.of_limit", { n: number(edge.speed_limit_mps * 3.6) })}</span>
        </dd>
        <dt>{t("col.queue_m")}</dt>
        <dd>{number(scene.value.queue[row])}</dd>
        <dt>{t("col.length_m")}</dt>
        <dd>{number(edge.length_m)}</dd>
      </dl>
      <div class="row gap">
        <a class="btn slim" href={href("evidence", "whatif", { close: edge.name })}>
          {t("edge.what_if")}
        </a>
      </div>
    </Card>
  );
}

function SensorCard({ row, setSpot }: { row: number; setSpot(at: { x: number; y: number } | null): void }) {
  const { value: sensor, error } = useFetched<SensorItem>(`/sensors/${row}`, 5000);
  if (error) return <p class="block note">{error.message}</p>;
  if (!sensor) return null;
  setSpot({ x: sensor.x_m, y: sensor.y_m });
  const history = sensor.history ?? [];
  return (
    <Card title={sensor.name} kind={t("col.sensor")}>
      <dl class="facts">
        <dt>{t("col.kind")}</dt>
        <dd>{sensorKind(sensor.kind)}</dd>
        <dt>{t("col.state")}</dt>
        <dd>
          {term("sensorstate", sensor.state)} {sensor.reason && <Told text={sensor.reason} />}
        </dd>
        <dt>{t("col.value")}</dt>
        <dd>
          {figure(sensor.value)} {sensor.unit}
        </dd>
        <dt>{t("col.heard")}</dt>
        <dd>{clock(sensor.observed_at_ms)}</dd>
      </dl>
      {history.length > 1 && (
        <Lines
          label={sensor.name}
          times={history.map(([ms]) => ms)}
          series={[{ label: sensor.name, values: history.map(([, value]) => value) }]}
          unit={sensor.unit}
          height={130}
        />
      )}
    </Card>
  );
}

function ThingCard({ id }: { id: string }) {
  void beat.value;
  const thing = scene.value.things.find((one) => one.id === id);
  if (!thing) return <Missing />;
  return (
    <Card title={thing.label} kind={t(`thing.${thing.kind}`)}>
      <p>{thing.detail}</p>
    </Card>
  );
}

function Missing() {
  return (
    <p class="block note warn" role="status">
      {t("route.missing")}
    </p>
  );
}

interface Alike {
  first: DecisionNote;
  /** Others of the same second, domain and reason. */
  more: number;
}

/** A plan of the round tells of every container at once: what is alike is said once. */
function together(notes: readonly DecisionNote[]): Alike[] {
  const told: Alike[] = [];
  for (const note of notes) {
    const last = told[told.length - 1];
    const alike =
      last &&
      note.stage === null &&
      last.first.stage === null &&
      note.domain === last.first.domain &&
      note.decided_at_ms === last.first.decided_at_ms &&
      reasonOf(note) === reasonOf(last.first) &&
      note.verdict === last.first.verdict;
    if (alike) last.more++;
    else told.push({ first: note, more: 0 });
  }
  return told;
}

function Latest() {
  const shown = together(latest.value).slice(0, 12);
  return (
    <section class="block" aria-labelledby="latest-title">
      <header>
        <h2 id="latest-title">{t("city.latest")}</h2>
        <a class="small" href={href("evidence", "decisions")}>
          {t("city.all_decisions")}
        </a>
      </header>
      {shown.length === 0 ? (
        <p class="soft small">{t("city.no_decisions")}</p>
      ) : (
        <ul class="list feed">
          {shown.map(({ first: decision, more }) => (
            <li key={decision.id}>
              <a class="item" href={href("evidence", "decisions", { id: decision.id })}>
                <span class="mono tiny soft">{clock(decision.decided_at_ms)}</span>
                <span class="grow">
                  <b>{decision.junction}</b>
                  {more > 0 && ` ${t("city.and_more", { n: more })}`}{" "}
                  {decision.stage === null ? "" : t("why.show", { stage: stageName(decision.stage) })}
                  <br />
                  <span class="soft small">
                    {reasonOf(decision)}
                    {decision.verdict !== "allowed" && ` ${t("col.verdict")}: ${term("verdict", decision.verdict)}.`}
                  </span>
                </span>
              </a>
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}
