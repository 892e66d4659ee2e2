/** Time-space diagram: the greens along a street, junction above junction by distance, with a line at driving speed. */
import { useMemo } from "preact/hooks";
import type { Corridor } from "../api/types";
import { clock, number, t } from "../words";
import { areaOf, drawTimeAxis, drawValueAxis, scaleOf } from "./axes";
import { Figure, Plot, type Draw } from "./figure";

interface Band {
  junction: string;
  at_m: number;
  begin_ms: number;
  end_ms: number;
}

export function TimeSpace({ corridor, names, speedMps, begin, end }: {
  corridor: Corridor | null;
  names(row: number): string;
  speedMps: number;
  begin: number;
  end: number;
}) {
  const bands = useMemo(() => (corridor ? bandsOf(corridor, names, end) : []), [corridor, end]);
  const draw: Draw = useMemo(
    () => (ctx, w, h, p) => {
      if (!corridor) return;
      const a = areaOf(w, h, Math.min(180, w / 4));
      a.top += 8;
      a.bottom -= 8;
      const farthest = Math.max(1, ...corridor.junctions.map((j) => j.at_m));
      const x = scaleOf(begin, end, a.left, a.right);
      const y = scaleOf(0, farthest, a.bottom, a.top);
      drawTimeAxis(ctx, { ...a, bottom: a.bottom + 8 }, begin, end, p);
      let last = Infinity;
      drawValueAxis(ctx, a, corridor.junctions.map((j) => j.at_m), y, (m) => {
        // Two junctions that are close share a line: the table below names both.
        if (Math.abs(y(m) - last) < 12) return "";
        last = y(m);
        const junction = corridor.junctions.find((j) => j.at_m === m);
        const place = ` ${Math.round(m)} m`;
        return fitted(ctx, junction ? names(junction.row) : "", a.left - 12 - ctx.measureText(place).width) + place;
      }, p);
      ctx.strokeStyle = p.red;
      ctx.globalAlpha = 0.65;
      for (const junction of corridor.junctions) {
        ctx.lineWidth = 3;
        ctx.setLineDash([3, 3]);
        ctx.beginPath();
        ctx.moveTo(a.left, y(junction.at_m));
        ctx.lineTo(a.right, y(junction.at_m));
        ctx.stroke();
      }
      ctx.setLineDash([]);
      ctx.globalAlpha = 1;
      ctx.fillStyle = p.green;
      for (const band of bands) {
        const x0 = Math.max(a.left, x(band.begin_ms));
        ctx.fillRect(x0, y(band.at_m) - 4, Math.max(1, Math.min(a.right, x(band.end_ms)) - x0), 8);
      }
      // From the start of each green at the first junction, as far as one drives at the limit.
      ctx.save();
      ctx.beginPath();
      ctx.rect(a.left, a.top - 6, a.right - a.left, a.bottom - a.top + 12);
      ctx.clip();
      ctx.strokeStyle = p.accent;
      ctx.lineWidth = 1;
      ctx.globalAlpha = 0.7;
      const first = corridor.junctions[0]?.at_m ?? 0;
      for (const band of bands.filter((b) => b.at_m === first)) {
        for (const from of [band.begin_ms, band.end_ms]) {
          ctx.beginPath();
          ctx.moveTo(x(from), y(first));
          ctx.lineTo(x(from + ((farthest - first) / speedMps) * 1000), y(farthest));
          ctx.stroke();
        }
      }
      ctx.restore();
    },
    [bands, corridor, begin, end, speedMps],
  );
  return (
    <Figure
      wide
      title={t("chart.timespace")}
      note={t("chart.timespace_note", { kmh: number(speedMps * 3.6) })}
      empty={t("chart.no_corridor")}
      rows={bands}
      columns={[
        { key: "junction", label: t("col.junction"), get: (band) => band.junction },
        { key: "m", label: t("col.distance_m"), numeric: true, get: (band) => Math.round(band.at_m) },
        { key: "from", label: t("col.green_from"), get: (band) => band.begin_ms, show: (band) => clock(band.begin_ms) },
        { key: "to", label: t("col.green_to"), get: (band) => band.end_ms, show: (band) => clock(band.end_ms) },
        { key: "s", label: t("col.green_s"), numeric: true, get: (band) => Math.round((band.end_ms - band.begin_ms) / 1000) },
      ]}
    >
      <Plot label={t("chart.timespace")} height={Math.max(190, 60 + 46 * (corridor?.junctions.length ?? 2))} draw={draw} />
    </Figure>
  );
}

/** A name cut to a width, with a mark where something is left out. */
function fitted(ctx: CanvasRenderingContext2D, name: string, width: number): string {
  if (ctx.measureText(name).width <= width) return name;
  let n = name.length;
  while (n > 1 && ctx.measureText(`${name.slice(0, n)}…`).width > width) n--;
  return `${name.slice(0, n).trimEnd()}…`;
}

function bandsOf(corridor: Corridor, names: (row: number) => string, end: number): Band[] {
  return corridor.junctions.flatMap(({ row, at_m }) => {
    const runs = corridor.stages[String(row)] ?? [];
    const bands: Band[] = [];
    runs.forEach(([begin_ms, , along], i) => {
      if (!along) return;
      const end_ms = runs[i + 1]?.[0] ?? end;
      const last = bands[bands.length - 1];
      if (last && begin_ms - last.end_ms < 500) last.end_ms = end_ms;
      else bands.push({ junction: names(row), at_m, begin_ms, end_ms });
    });
    return bands;
  });
}
