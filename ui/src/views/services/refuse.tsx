/** Refuse: containers by predicted overflow, routes, exceptions, and what the last new plan changed. */
import { useEffect, useState } from "preact/hooks";
import type { Thing, Track } from "../../map/scene";
import { DataTable, type Column } from "../../parts/table";
import { scene } from "../../state/city";
import { nameOf, names, placeThings, rowsOf, type Row, type Service } from "../../state/services";
import { clock, dayAndClock, figure, number, percent, t, term } from "../../words";
import { Block, Figures, Missing, ServiceFrame, useService } from "./frame";
import { Preview } from "./preview";

/** From these on a container is told as likely to overflow, and a sensor as likely to be wrong. */
const LIKELY = 0.5;
const DOUBTFUL = 0.5;
const STILL_LEFT = 3;
const BROKEN_DOWN = 4;

/** Driving, emptying, at the tip: neither at the depot, home, nor broken down. */
const UNDER_WAY = new Set([1, 2, 3]);

export function RefusePage() {
  const { service, waiting, problem } = useService("refuse");
  const [picked, setPicked] = useState<string | null>(null);
  useEffect(() => {
    if (service) draw(service);
    return () => {
      scene.value.tracks = scene.value.tracks.filter((track) => track.kind !== "route");
    };
  }, [service]);
  if (!service) return <Missing domain="refuse" waiting={waiting} problem={problem} />;
  const at = scene.value.things.find((thing) => thing.id === picked);
  return (
    <ServiceFrame domain="refuse" onPick={setPicked} selected={at ? { x: at.x, y: at.y } : null}>
      <Today service={service} />
      <Exceptions service={service} onPick={setPicked} picked={picked} />
      <Preview service={service} />
      <Replan service={service} onPick={setPicked} />
      <Routes service={service} onPick={setPicked} picked={picked} />
      <Containers service={service} onPick={setPicked} picked={picked} />
    </ServiceFrame>
  );
}

interface Picking {
  service: Service;
  onPick(id: string): void;
  picked?: string | null;
}

function Today({ service }: { service: Service }) {
  const [containers, trucks] = [rowsOf(service, "containers"), rowsOf(service, "trucks")];
  const sum = (rows: Row[], column: string) => rows.reduce((total, row) => total + (row[column] ?? 0), 0);
  return (
    <Block title={t("refuse.today")}>
      <Figures
        items={[
          [t("refuse.likely"), number(containers.filter((one) => (one.full_tomorrow_prob ?? 0) >= LIKELY).length)],
          [t("refuse.done"), `${number(sum(trucks, "stops_done"))} / ${number(sum(trucks, "stops_done") + sum(trucks, "stops_left"))}`],
          [t("refuse.under_way"), `${number(trucks.filter((one) => UNDER_WAY.has(one.status ?? 0)).length)} / ${trucks.length}`],
          [t("refuse.load"), `${number(sum(trucks, "load_kg") / 1000, 1)} t`],
        ]}
      />
    </Block>
  );
}

/** What needs a person: left open, broken down, sensors that are likely wrong. */
function Exceptions({ service, onPick, picked }: Picking) {
  const rows: { id: string; what: string; who: string; more: string }[] = [];
  for (const truck of rowsOf(service, "trucks")) {
    if (truck.status !== BROKEN_DOWN) continue;
    const more = t("refuse.stops_left", { n: figure(truck.stops_left) });
    rows.push({ id: `trucks/${truck.row}`, what: term("truckstatus", BROKEN_DOWN), who: nameOf(service, "trucks", truck.row), more });
  }
  for (const one of rowsOf(service, "containers")) {
    const [id, who] = [`containers/${one.row}`, nameOf(service, "containers", one.row)];
    if (one.state === STILL_LEFT) rows.push({ id, what: term("containerstate", STILL_LEFT), who, more: percent(one.fill_frac) });
    if ((one.sensor_faulty_prob ?? 0) >= DOUBTFUL) rows.push({ id, what: t("refuse.doubt"), who, more: percent(one.sensor_faulty_prob) });
  }
  const columns: Column<(typeof rows)[number]>[] = [
    { key: "what", label: t("col.kind"), get: (one) => one.what },
    { key: "who", label: t("col.name"), get: (one) => one.who },
    { key: "more", label: t("col.value"), get: (one) => one.more },
  ];
  return (
    <Block title={t("table_of.exceptions")} count={rows.length}>
      <DataTable
        caption={t("table_of.exceptions")}
        columns={columns}
        rows={rows}
        rowKey={(one) => `${one.id}/${one.what}`}
        selected={picked}
        onPick={(one) => onPick(one.id)}
        empty={t("refuse.no_exceptions")}
        page={12}
      />
    </Block>
  );
}

/** The last plan against the one before: which stops moved, were taken over, or are left out. */
function Replan({ service, onPick }: Picking) {
  const plans = rowsOf(service, "plans");
  const last = plans[plans.length - 1];
  if (!last) return null;
  const moved = rowsOf(service, "containers").filter((one) => (one.moved ?? 0) > 0);
  const columns: Column<Row>[] = [
    { key: "name", label: t("refuse.container"), get: (one) => nameOf(service, "containers", one.row) },
    { key: "truck", label: t("refuse.now_by"), get: (one) => nameOf(service, "trucks", one.truck) },
    { key: "why", label: t("col.reason"), get: (one) => term("movedwhy", one.moved ?? 0) },
  ];
  const history: Column<Row>[] = [
    { key: "version", label: t("refuse.version"), numeric: true, get: (plan) => plan.version },
    { key: "made", label: t("col.time"), get: (plan) => plan.made_at_ms, show: (plan) => dayAndClock(plan.made_at_ms) },
    { key: "reason", label: t("col.reason"), get: (plan) => term("planreason", plan.reason ?? 0) },
    { key: "stops", label: t("refuse.stops"), numeric: true, get: (plan) => plan.stops },
    { key: "moved", label: t("refuse.moved"), numeric: true, get: (plan) => plan.moved_stops },
    { key: "left", label: t("refuse.left_out"), numeric: true, get: (plan) => plan.left_out_stops },
  ];
  return (
    <Block title={t("refuse.replan")}>
      <p class="small">
        {t("refuse.replan_line", {
          version: figure(last.version),
          why: term("planreason", last.reason ?? 0),
          moved: figure(last.moved_stops),
          taken: figure(last.taken_over_stops),
          left: figure(last.left_out_stops),
        })}
      </p>
      {moved.length > 0 && (
        <DataTable caption={t("refuse.moved_table")} columns={columns} rows={moved} rowKey={(one) => one.row} onPick={(one) => onPick(`containers/${one.row}`)} page={12} />
      )}
      <details>
        <summary>{t("refuse.plans", { n: plans.length })}</summary>
        <DataTable caption={t("refuse.plans", { n: plans.length })} columns={history} rows={[...plans].reverse()} rowKey={(plan) => plan.row} page={12} />
      </details>
    </Block>
  );
}

function Routes({ service, onPick, picked }: Picking) {
  const trucks = rowsOf(service, "trucks");
  const visits = rowsOf(service, "visits");
  const next = (truck: Row) =>
    truck.next === null || truck.next < 0 ? term("trucknext", truck.next ?? -3) : nameOf(service, "containers", truck.next);
  const columns: Column<Row>[] = [
    { key: "name", label: t("refuse.truck"), get: (truck) => nameOf(service, "trucks", truck.row) },
    { key: "status", label: t("col.state"), get: (truck) => term("truckstatus", truck.status ?? 0) },
    { key: "load", label: t("refuse.loaded"), numeric: true, get: (truck) => (truck.load_kg ?? 0) / (truck.payload_kg || 1), show: (truck) => percent((truck.load_kg ?? 0) / (truck.payload_kg || 1)) },
    { key: "stops", label: t("refuse.stops"), numeric: true, get: (truck) => truck.stops_left, show: (truck) => `${figure(truck.stops_done)} / ${figure((truck.stops_done ?? 0) + (truck.stops_left ?? 0))}` },
    { key: "next", label: t("refuse.next"), get: next },
  ];
  const chosen = picked?.startsWith("trucks/") ? Number(picked.split("/")[1]) : null;
  const route = visits.filter((visit) => visit.truck === chosen);
  const steps: Column<Row>[] = [
    { key: "place", label: "#", numeric: true, get: (visit) => route.indexOf(visit) + 1 },
    { key: "what", label: t("refuse.stop"), get: (visit) => (visit.kind === 0 ? nameOf(service, "containers", visit.container) : term("visitkind", visit.kind ?? 0)) },
    { key: "planned", label: t("refuse.planned"), numeric: true, get: (visit) => visit.planned_ms, show: (visit) => clock(visit.planned_ms) },
    { key: "done", label: t("col.state"), get: (visit) => t(visit.done ? "refuse.is_done" : "refuse.to_do") },
  ];
  return (
    <Block title={t("table_of.routes")} count={trucks.length}>
      <DataTable caption={t("table_of.routes")} columns={columns} rows={trucks} rowKey={(truck) => `trucks/${truck.row}`} selected={picked ?? null} onPick={(truck) => onPick(`trucks/${truck.row}`)} page={20} />
      {chosen !== null && (
        <DataTable caption={t("refuse.route_of", { truck: nameOf(service, "trucks", chosen) })} showCaption columns={steps} rows={route} rowKey={(visit) => visit.row} page={20} />
      )}
    </Block>
  );
}

function Containers({ service, onPick, picked }: Picking) {
  const rows = [...rowsOf(service, "containers")].sort((a, b) => (b.full_tomorrow_prob ?? -1) - (a.full_tomorrow_prob ?? -1));
  const columns: Column<Row>[] = [
    { key: "name", label: t("refuse.container"), get: (one) => nameOf(service, "containers", one.row) },
    { key: "full", label: t("refuse.full_tomorrow"), numeric: true, get: (one) => one.full_tomorrow_prob, show: (one) => percent(one.full_tomorrow_prob) },
    { key: "fill", label: t("refuse.fill"), numeric: true, get: (one) => one.fill_frac, show: (one) => percent(one.fill_frac) },
    { key: "state", label: t("col.state"), get: (one) => term("containerstate", one.state ?? 0) },
    { key: "truck", label: t("refuse.truck"), get: (one) => nameOf(service, "trucks", one.truck) },
    { key: "seen", label: t("col.heard"), numeric: true, get: (one) => one.seen_at_ms, show: (one) => clock(one.seen_at_ms) },
  ];
  return (
    <Block title={t("refuse.by_overflow")} count={rows.length}>
      <DataTable caption={t("refuse.by_overflow")} columns={columns} rows={rows} rowKey={(one) => `containers/${one.row}`} selected={picked ?? null} onPick={(one) => onPick(`containers/${one.row}`)} filter page={25} />
    </Block>
  );
}

function draw(service: Service): void {
  const s = scene.value;
  const things: Thing[] = [];
  const containers = rowsOf(service, "containers");
  names.truck = service.names.trucks ?? [];
  for (const one of containers) {
    if (one.x_m === null || one.y_m === null) continue;
    const level = (one.full_tomorrow_prob ?? 0) >= LIKELY ? 2 : (one.fill_frac ?? 0) >= 0.75 ? 1 : 0;
    const detail = `${t("refuse.fill")} ${percent(one.fill_frac)}, ${t("refuse.full_tomorrow")} ${percent(one.full_tomorrow_prob)}`;
    things.push({ id: `containers/${one.row}`, kind: "container", label: nameOf(service, "containers", one.row), x: one.x_m, y: one.y_m, level, detail });
  }
  for (const truck of rowsOf(service, "trucks")) {
    if (truck.x_m === null || truck.y_m === null) continue;
    const detail = term("truckstatus", truck.status ?? 0);
    things.push({ id: `trucks/${truck.row}`, kind: "truck", label: nameOf(service, "trucks", truck.row), x: truck.x_m, y: truck.y_m, level: truck.status === BROKEN_DOWN ? 2 : 0, detail });
  }
  for (const place of rowsOf(service, "places")) {
    if (place.x_m === null || place.y_m === null) continue;
    things.push({ id: `places/${place.row}`, kind: "site", label: term("placekind", place.kind ?? 0), x: place.x_m, y: place.y_m, level: 0, detail: "" });
  }
  placeThings(s, ["container", "truck", "site"], things);
  s.tracks = [...s.tracks.filter((track) => track.kind !== "route"), ...tracks(service, containers)];
}

/** The stops still ahead of each truck, in order, as the crow flies. */
function tracks(service: Service, containers: Row[]): Track[] {
  const ahead = new Map<number, number[]>();
  for (const truck of rowsOf(service, "trucks")) {
    if (truck.x_m !== null && truck.y_m !== null) ahead.set(truck.row, [truck.x_m, truck.y_m]);
  }
  for (const visit of rowsOf(service, "visits")) {
    const [points, place] = [ahead.get(visit.truck ?? -1), containers[visit.container ?? -1]];
    if (points && !visit.done && place?.x_m != null && place.y_m != null) points.push(place.x_m, place.y_m);
  }
  return [...ahead.entries()].map(([row, points]) => ({ id: `route/${row}`, kind: "route", points: Float32Array.from(points) }));
}
