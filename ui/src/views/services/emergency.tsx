/** Emergency: calls, who would be sent and why, how the city stays covered, and what a green corridor costs others. */
import { useEffect, useMemo, useState } from "preact/hooks";
import type { Decision, Page } from "../../api/types";
import type { Thing } from "../../map/scene";
import { useFetched } from "../../parts/fetched";
import { DataTable, type Column } from "../../parts/table";
import { nowMs, scene } from "../../state/city";
import { open } from "../../state/dialogs";
import { nameOf, names, placeThings, rowsOf, type Row, type Service } from "../../state/services";
import { clock, figure, percent, span, t, term } from "../../words";
import { Block, Figures, Missing, ServiceFrame, useService } from "./frame";

/** A zone that nobody free reaches in this time is drawn as uncovered. */
const UNCOVERED_S = 480;

export function EmergencyPage() {
  const { service, waiting, problem } = useService("emergency");
  const [picked, setPicked] = useState<string | null>(null);
  useEffect(() => {
    if (service) draw(service);
  }, [service]);
  if (!service) return <Missing domain="emergency" waiting={waiting} problem={problem} />;
  const calls = rowsOf(service, "calls");
  const chosen = calls.find((call) => `calls/${call.number}` === picked) ?? calls.find((call) => call.status === 1) ?? calls.find((call) => call.status === 2) ?? calls[calls.length - 1];
  const at = scene.value.things.find((thing) => thing.id === picked);
  return (
    <ServiceFrame domain="emergency" onPick={setPicked} selected={at ? { x: at.x, y: at.y } : null}>
      <Cover service={service} />
      <Calls service={service} calls={calls} chosen={chosen?.number ?? null} onPick={(number) => setPicked(`calls/${number}`)} />
      {chosen && <Ranked service={service} call={chosen} />}
      <Corridors />
      <Units service={service} onPick={(row) => setPicked(`units/${row}`)} picked={picked} />
    </ServiceFrame>
  );
}

function Cover({ service }: { service: Service }) {
  const city = rowsOf(service, "city")[0];
  const zones = rowsOf(service, "zones");
  const late = zones.filter((zone) => zone.reach_s === null || zone.reach_s > UNCOVERED_S);
  return (
    <Block title={t("emergency.cover")}>
      <Figures
        items={[
          [t("emergency.free_units"), figure(city?.free_units)],
          [t("emergency.open_calls"), figure(city?.open_calls)],
          [t("emergency.expected_response"), span(city?.expected_response_s)],
          [t("emergency.uncovered"), percent(city?.uncovered_frac)],
        ]}
      />
      <details>
        <summary>{t("emergency.zones", { n: late.length, of: zones.length, min: UNCOVERED_S / 60 })}</summary>
        <DataTable
          caption={t("emergency.zones_table")}
          columns={ZONES()}
          rows={zones}
          rowKey={(zone) => zone.row}
          page={25}
        />
      </details>
    </Block>
  );
}

const ZONES = (): Column<Row>[] => [
  { key: "zone", label: t("emergency.zone"), numeric: true, get: (zone) => zone.row + 1 },
  { key: "weight", label: t("emergency.weight"), numeric: true, get: (zone) => zone.weight, show: (zone) => percent(zone.weight) },
  {
    key: "reach",
    label: t("emergency.reach"),
    numeric: true,
    get: (zone) => zone.reach_s ?? 1e9,
    show: (zone) => (zone.reach_s === null ? t("emergency.nobody") : span(zone.reach_s)),
  },
];

interface CallsProps {
  service: Service;
  calls: Row[];
  chosen: number | null;
  onPick(number: number): void;
}

function Calls({ service, calls, chosen, onPick }: CallsProps) {
  const columns: Column<Row>[] = [
    { key: "number", label: t("emergency.call"), numeric: true, get: (call) => call.number },
    { key: "priority", label: t("emergency.priority"), numeric: true, get: (call) => call.priority },
    { key: "kind", label: t("emergency.determinant"), get: (call) => nameOf(service, "determinants", call.determinant) },
    {
      key: "status",
      label: t("col.state"),
      get: (call) => (call.fault ? term("callfault", call.fault) : term("callstatus", call.status ?? 0)),
    },
    { key: "waited", label: t("emergency.waited"), numeric: true, get: waited, show: (call) => span(waited(call)) },
    {
      key: "unit",
      label: t("emergency.unit_eta"),
      get: (call) => nameOf(service, "units", call.unit),
      show: (call) => (
        <>
          {nameOf(service, "units", call.unit)}
          {(call.eta_ms ?? -1) >= 0 && <span class="soft small nobreak"> {etaOf(call)}</span>}
        </>
      ),
    },
  ];
  return (
    <Block title={t("table_of.calls")} count={calls.length}>
      <DataTable
        caption={t("table_of.calls")}
        columns={columns}
        rows={[...calls].reverse()}
        rowKey={(call) => call.number ?? call.row}
        selected={chosen}
        onPick={(call) => onPick(call.number ?? -1)}
        empty={t("emergency.no_calls")}
        page={20}
      />
    </Block>
  );
}

function waited(call: Row): number | null {
  return call.received_ms === null ? null : (nowMs.value - call.received_ms) / 1000;
}

function etaOf(call: Row): string {
  if (call.eta_ms === null || call.eta_ms < 0) return "–";
  return t("emergency.eta_at", { in: span((call.eta_ms - nowMs.value) / 1000), at: clock(call.eta_ms) });
}

/** Who would be sent, best first; the reason is what the numbers of the list itself say. */
function Ranked({ service, call }: { service: Service; call: Row }) {
  const ranked = rowsOf(service, "ranked").filter((one) => one.call === call.number);
  const fastest = Math.min(...ranked.map((one) => one.eta_s ?? Infinity));
  const calmest = Math.min(...ranked.map((one) => one.uncovered_s ?? Infinity));
  const why = (one: Row, place: number): string => {
    const later = (one.eta_s ?? 0) - fastest;
    if (one.unit === call.unit) return t("emergency.why_sent");
    if (place === 0 && later < 1) return t("emergency.why_fastest");
    if (place === 0) return t("emergency.why_cover", { s: figure(later) });
    if (later >= 1 && (one.uncovered_s ?? 0) - calmest < 1) return t("emergency.why_later", { s: figure(later) });
    return t("emergency.why_both", { s: figure(later), cover: figure((one.uncovered_s ?? 0) - calmest) });
  };
  const columns: Column<Row>[] = [
    { key: "place", label: "#", numeric: true, get: (one) => ranked.indexOf(one) + 1 },
    { key: "unit", label: t("emergency.unit"), get: (one) => nameOf(service, "units", one.unit) },
    {
      key: "eta",
      label: t("emergency.eta_band"),
      numeric: true,
      get: (one) => one.eta_s,
      show: (one) => <Band row={one} most={Math.max(...ranked.map((each) => each.high_s ?? each.eta_s ?? 0))} />,
    },
    { key: "cover", label: t("emergency.cover_price"), numeric: true, get: (one) => one.uncovered_s, show: (one) => `+${figure(one.uncovered_s)}` },
    { key: "why", label: t("col.reason"), get: (one) => why(one, ranked.indexOf(one)) },
  ];
  const override = () => {
    const candidates = ranked.map((one, place) => ({
      unit: one.unit ?? -1,
      name: nameOf(service, "units", one.unit),
      about: `${span(one.eta_s)}, ${why(one, place)}`,
      sent: one.unit === call.unit || (call.unit === -1 && place === 0),
    }));
    open.value = { kind: "send", call: call.number ?? -1, candidates };
  };
  return (
    <Block title={t("emergency.ranked", { call: String(call.number) })} count={ranked.length}>
      <DataTable
        caption={t("emergency.ranked", { call: String(call.number) })}
        columns={columns}
        rows={ranked}
        rowKey={(one) => one.unit ?? one.row}
        empty={t(call.status === 3 ? "emergency.on_scene" : "emergency.no_ranked")}
        page={12}
      />
      <div class="row gap">
        <button type="button" class="btn slim" data-act="send" disabled={!ranked.length} onClick={override}>
          {t("send.open")} <kbd>S</kbd>
        </button>
      </div>
      <p class="tiny soft">{t("emergency.ranked_note")}</p>
    </Block>
  );
}

/** An expected time with the span that nine of ten lie in, as a bar and in words. */
function Band({ row, most }: { row: Row; most: number }) {
  const [eta, low, high] = [row.eta_s ?? 0, row.low_s ?? row.eta_s ?? 0, row.high_s ?? row.eta_s ?? 0];
  const share = (value: number) => `${Math.round((100 * value) / Math.max(most, 1))}%`;
  return (
    <span class="band">
      <span class="bandtext">{t("emergency.band", { eta: span(eta), low: figure(low), high: figure(high) })}</span>
      <span class="bandbar" aria-hidden="true">
        <i style={{ left: share(low), width: share(high - low) }} />
        <b style={{ left: share(eta) }} />
      </span>
    </span>
  );
}

/** Junctions that clear the way now, and what that costs everybody else by the policy's own reckoning. */
function Corridors() {
  const from = Math.max(0, Math.floor(nowMs.value / 1000) * 1000 - 4000);
  const { value } = useFetched<Page<Decision>>(`/decisions?domain=signals&begin_ms=${from}&limit=400`, 3000);
  const newest = new Map<string, Decision>();
  for (const one of value?.items ?? []) {
    if (String(one.reason.code).startsWith("CORRIDOR") && !newest.has(one.junction)) newest.set(one.junction, one);
  }
  const rows = useMemo(() => [...newest.values()], [value]);
  const price = (one: Decision) => {
    const others = one.alternatives.map((each) => each.cost).filter((cost): cost is number => cost !== null);
    return one.cost === null || others.length === 0 ? null : Math.max(0, one.cost - Math.min(...others));
  };
  const columns: Column<Decision>[] = [
    { key: "junction", label: t("col.junction"), get: (one) => one.junction },
    { key: "why", label: t("col.reason"), get: (one) => one.reason.text },
    { key: "price", label: t("emergency.price"), numeric: true, get: price, show: (one) => figure(price(one)) },
    { key: "acted", label: t("col.state"), get: (one) => t(one.acted ? "emergency.cleared" : "emergency.not_acted") },
  ];
  return (
    <Block title={t("table_of.corridors")} count={rows.length}>
      <DataTable caption={t("table_of.corridors")} columns={columns} rows={rows} rowKey={(one) => one.id} empty={t("emergency.no_corridors")} page={12} />
    </Block>
  );
}

function Units({ service, onPick, picked }: { service: Service; onPick(row: number): void; picked: string | null }) {
  const units = rowsOf(service, "units");
  const columns: Column<Row>[] = [
    { key: "unit", label: t("emergency.unit"), get: (unit) => nameOf(service, "units", unit.row) },
    { key: "status", label: t("col.state"), get: (unit) => term("unitstatus", unit.status ?? 0) },
    { key: "call", label: t("emergency.call"), numeric: true, get: (unit) => (unit.call === null || unit.call < 0 ? null : unit.call) },
    { key: "site", label: t("emergency.site"), get: (unit) => nameOf(service, "sites", unit.site) },
    { key: "since", label: t("emergency.since"), numeric: true, get: (unit) => unit.since_ms, show: (unit) => clock(unit.since_ms) },
  ];
  return (
    <Block title={t("table_of.units")} count={units.length}>
      <DataTable
        caption={t("table_of.units")}
        columns={columns}
        rows={units}
        rowKey={(unit) => `units/${unit.row}`}
        selected={picked}
        onPick={(unit) => onPick(unit.row)}
        filter={units.length > 12}
        page={25}
      />
    </Block>
  );
}

function draw(service: Service): void {
  const s = scene.value;
  const things: Thing[] = [];
  const placed = (row: Row, thing: Omit<Thing, "x" | "y">) => {
    if (row.x_m !== null && row.y_m !== null) things.push({ ...thing, x: row.x_m, y: row.y_m });
  };
  names.unit = service.names.units ?? [];
  for (const call of rowsOf(service, "calls")) {
    const detail = `${term("callstatus", call.status ?? 0)}, ${t("emergency.waited")} ${span(waited(call))}`;
    placed(call, { id: `calls/${call.number}`, kind: "call", label: String(call.number), level: call.priority === 1 ? 2 : 1, detail });
  }
  for (const site of rowsOf(service, "sites")) {
    const detail = `${term("sitekind", site.kind ?? 0)}, ${t("emergency.free_units")}: ${figure(site.free_units)}`;
    placed(site, { id: `sites/${site.row}`, kind: "site", label: nameOf(service, "sites", site.row), level: 0, detail });
  }
  for (const zone of rowsOf(service, "zones")) {
    if (zone.reach_s !== null && zone.reach_s <= UNCOVERED_S) continue;
    const detail = zone.reach_s === null ? t("emergency.nobody") : span(zone.reach_s);
    placed(zone, { id: `zones/${zone.row}`, kind: "zone", label: `${t("emergency.zone")} ${zone.row + 1}`, level: 0, detail });
  }
  // Units that the feed places are moved by it; the rest stand where the table says.
  for (const unit of rowsOf(service, "units")) {
    const detail = term("unitstatus", unit.status ?? 0);
    const level = unit.status !== null && unit.status >= 2 && unit.status <= 4 ? 2 : 0;
    placed(unit, { id: `units/${unit.row}`, kind: "unit", label: nameOf(service, "units", unit.row), level, detail });
  }
  placeThings(s, ["call", "site", "zone", "unit"], things);
}
