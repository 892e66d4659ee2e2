/** The map's data as tables: roads, signals, sensors that are wrong, and whatever else is drawn. */
import { createContext } from "preact";
import { useContext, useMemo, useState } from "preact/hooks";
import type { Signal } from "@preact/signals";
import type { SensorHealth, SensorItem } from "../api/types";
import { Icon } from "../parts/icon";
import { useFetched } from "../parts/fetched";
import { DataTable, type Column } from "../parts/table";
import { beat, city, layout, live, scene, type Live } from "../state/city";
import { dayAndClock, number, sensorName, sensorReason, t, term, type Word } from "../words";
import type { LayerName } from "./layers";
import type { Pick } from "./renderer";
import { CONTROL, DELAY, type Scene, type Thing } from "./scene";

/** Which city the tables are of: the room's own, or the left half of a split map. */
export const TableOf = createContext<{ scene: Signal<Scene>; live: Live; beat: Signal<number> }>({ scene, live, beat });

type Sheet = "signals" | "roads" | "sensors" | "things";

interface Props {
  offered: readonly LayerName[];
  /** Which half of a split map, in words. */
  of?: string;
  onClose(): void;
  onPick?(pick: Pick): void;
}

const DELAY_WORDS: Record<number, Word> = {
  [DELAY.unknown]: "delay.unknown",
  [DELAY.free]: "delay.free",
  [DELAY.slow]: "delay.slow",
  [DELAY.heavy]: "delay.heavy",
  [DELAY.stopped]: "delay.stopped",
};
export const CONTROL_WORDS: Record<number, Word> = {
  [CONTROL.plan]: "control.plan",
  [CONTROL.leased]: "control.leased",
  [CONTROL.back]: "control.back",
  [CONTROL.held]: "control.held",
  [CONTROL.released]: "control.released",
  [CONTROL.dead]: "control.dead",
};

export function MapTable({ offered, of = "", onClose, onPick }: Props) {
  const sheets: [Sheet, Word][] = [];
  if (offered.includes("signals")) sheets.push(["signals", "layer.signals"]);
  if (offered.includes("units") || offered.includes("refuse")) sheets.push(["things", "map.things"]);
  if (offered.includes("roads")) sheets.push(["roads", "layer.roads"]);
  if (offered.includes("sensors")) sheets.push(["sensors", "map.exceptions"]);
  const [sheet, setSheet] = useState<Sheet>(sheets[0]?.[0] ?? "roads");
  return (
    <section class="over tabletop" aria-label={of ? `${t("map.table")}: ${of}` : t("map.table")}>
      <div class="block row">
        <h2 class="grow">{of ? `${t("map.table")}: ${of}` : t("map.table")}</h2>
        <div class="row" role="group" aria-label={t("map.layers")}>
          {sheets.map(([id, word]) => (
            <button key={id} type="button" class="btn slim" aria-pressed={sheet === id} onClick={() => setSheet(id)}>
              {t(word)}
            </button>
          ))}
        </div>
        <button type="button" class="btn slim plain" aria-label={t("act.close")} onClick={onClose}>
          <Icon name="close" />
        </button>
      </div>
      <div class="block tablescroll">
        {sheet === "signals" && <SignalSheet onPick={onPick} />}
        {sheet === "roads" && <RoadSheet onPick={onPick} />}
        {sheet === "sensors" && <SensorSheet onPick={onPick} />}
        {sheet === "things" && <ThingSheet onPick={onPick} />}
      </div>
    </section>
  );
}

function SignalSheet({ onPick }: { onPick?(pick: Pick): void }) {
  const { scene, live, beat } = useContext(TableOf);
  void beat.value;
  const rows = (layout.value?.junctions ?? []).map((junction, row) => ({ junction, row }));
  const j = live.junctions;
  const columns: Column<(typeof rows)[number]>[] = [
    { key: "name", label: t("col.junction"), get: ({ junction }) => junction.label || junction.name },
    { key: "district", label: t("col.district"), get: ({ junction }) => junction.district },
    { key: "control", label: t("col.control"), get: ({ row }) => t(CONTROL_WORDS[scene.value.control[row]] ?? "control.plan") },
    {
      key: "stage",
      label: t("col.stage"),
      numeric: true,
      get: ({ row }) => (j ? (j.stage[row] === 255 ? t("stage.change") : j.stage[row] + 1) : null),
    },
    { key: "stage_s", label: t("col.shown_s"), numeric: true, get: ({ row }) => j?.stageS[row] ?? null },
    { key: "red", label: t("col.longest_red_s"), numeric: true, get: ({ row }) => j?.longestRedS[row] ?? null },
  ];
  return (
    <DataTable
      caption={t("layer.signals")}
      columns={columns}
      rows={rows}
      rowKey={({ row }) => row}
      filter
      onPick={onPick && (({ row, junction }) => onPick({ kind: "junction", row, id: junction.name }))}
    />
  );
}

function RoadSheet({ onPick }: { onPick?(pick: Pick): void }) {
  const { scene, live, beat } = useContext(TableOf);
  void beat.value;
  const edges = layout.value?.edges;
  const rows = useMemo(() => (edges ?? []).map((edge, row) => ({ edge, row })), [edges]);
  const speed = (row: number) => {
    const share = live.share?.[row];
    return share === undefined || share === 255 ? null : share / 200;
  };
  const columns: Column<(typeof rows)[number]>[] = [
    { key: "name", label: t("col.edge"), get: ({ edge }) => edge.name },
    { key: "street", label: t("col.street"), get: ({ edge }) => edge.street },
    { key: "delay", label: t("col.delay"), get: ({ row }) => t(DELAY_WORDS[scene.value.delay[row]] ?? "delay.unknown") },
    {
      key: "speed",
      label: t("col.speed_kmh"),
      numeric: true,
      get: ({ edge, row }) => {
        const share = speed(row);
        return share === null ? null : Math.round(share * edge.speed_limit_mps * 3.6);
      },
    },
    { key: "limit", label: t("col.limit_kmh"), numeric: true, get: ({ edge }) => Math.round(edge.speed_limit_mps * 3.6) },
    { key: "queue", label: t("col.queue_m"), numeric: true, get: ({ row }) => Math.round(scene.value.queue[row] ?? 0) },
    { key: "length", label: t("col.length_m"), numeric: true, get: ({ edge }) => Math.round(edge.length_m) },
  ];
  return (
    <DataTable
      caption={t("layer.roads")}
      columns={columns}
      rows={rows}
      rowKey={({ row }) => row}
      filter
      onPick={onPick && (({ row, edge }) => onPick({ kind: "edge", row, id: edge.name }))}
    />
  );
}

function SensorSheet({ onPick }: { onPick?(pick: Pick): void }) {
  const { value, error } = useFetched<SensorHealth>("/sensors/health", 5000);
  if (error) return <p class="note">{error.absent ? t("sensors.absent") : error.message}</p>;
  return <SensorTable items={value?.exceptions ?? []} onPick={onPick} />;
}

const SENSOR_KINDS = ["other", "area detector", "loop", "controller", "crossing call", "air", "noise", "parking", "bin fill", "weather", "water"];

export function sensorKind(kind: number): string {
  return term("sensorkind", SENSOR_KINDS[kind] ?? "other");
}

export function SensorTable({ items, onPick }: { items: SensorItem[]; onPick?(pick: Pick): void }) {
  const columns: Column<SensorItem>[] = [
    { key: "name", label: t("col.sensor"), get: (s) => sensorName(s.name) },
    { key: "kind", label: t("col.kind"), get: (s) => sensorKind(s.kind) },
    { key: "state", label: t("col.state"), get: (s) => term("sensorstate", s.state) },
    { key: "reason", label: t("col.reason"), get: (s) => sensorReason(s.reason) },
    { key: "value", label: t("col.value"), numeric: true, get: (s) => s.value, show: (s) => `${number(s.value, 1)} ${s.unit ?? ""}` },
    { key: "heard", label: t("col.heard"), get: (s) => s.observed_at_ms, show: (s) => dayAndClock(s.observed_at_ms) },
  ];
  return (
    <DataTable
      caption={t("map.exceptions")}
      columns={columns}
      rows={items}
      rowKey={(s) => s.row}
      filter
      empty={t("sensors.none_wrong")}
      onPick={onPick && ((s) => onPick({ kind: "sensor", row: s.row, id: s.name }))}
    />
  );
}

function ThingSheet({ onPick }: { onPick?(pick: Pick): void }) {
  const { scene, beat } = useContext(TableOf);
  void beat.value;
  const columns: Column<Thing>[] = [
    { key: "label", label: t("col.name"), get: (thing) => thing.label },
    { key: "kind", label: t("col.kind"), get: (thing) => t(`thing.${thing.kind}`) },
    { key: "detail", label: t("col.state"), get: (thing) => thing.detail },
  ];
  const rows = scene.value.things;
  return (
    <DataTable
      caption={t("map.things")}
      columns={columns}
      rows={rows}
      rowKey={(thing) => `${thing.kind}/${thing.id}`}
      empty={city.value ? t("map.no_things") : ""}
      filter
      onPick={onPick && ((thing) => onPick({ kind: thing.kind, row: rows.indexOf(thing), id: thing.id }))}
    />
  );
}
