/** Forecasts checked against what was then observed. */
import { useMemo } from "preact/hooks";
import type { DecisionCalibration } from "../../api/types";
import { areaOf, drawMark, drawValueAxis, numberTicks, scaleOf, AXIS_FONT } from "../../charts/axes";
import { Figure, Plot, type Draw } from "../../charts/figure";
import { Absent } from "../../parts/absent";
import { useFetched } from "../../parts/fetched";
import { figure, number, t } from "../../words";
import { Shares } from "./shares";

export function CalibrationTab() {
  const { value, error } = useFetched<DecisionCalibration>("/decisions/calibration", 10_000);
  const draw: Draw = useMemo(
    () => (ctx, w, h, p) => {
      const bins = value?.bins ?? [];
      const a = areaOf(w, h, 52);
      a.bottom -= 14;
      const high = Math.max(1, ...bins.flatMap((bin) => [bin.forecast, bin.observed])) * 1.05;
      const x = scaleOf(0, high, a.left, a.right);
      const y = scaleOf(0, high, a.bottom, a.top);
      const ticks = numberTicks(0, high);
      drawValueAxis(ctx, a, ticks, y, (v) => figure(v), p);
      ctx.font = AXIS_FONT;
      ctx.textAlign = "center";
      ctx.textBaseline = "top";
      ctx.fillStyle = p.soft;
      for (const tick of ticks) ctx.fillText(figure(tick), x(tick), a.bottom + 5);
      ctx.fillText(t("calibration.x"), (a.left + a.right) / 2, a.bottom + 19);
      ctx.strokeStyle = p.soft;
      ctx.setLineDash([5, 4]);
      ctx.beginPath();
      ctx.moveTo(x(0), y(0));
      ctx.lineTo(x(high), y(high));
      ctx.stroke();
      ctx.setLineDash([]);
      const most = Math.max(1, ...bins.map((bin) => bin.n));
      ctx.fillStyle = p.series[0];
      for (const bin of bins) drawMark(ctx, 0, x(bin.forecast), y(bin.observed), 3 + 6 * Math.sqrt(bin.n / most));
    },
    [value],
  );
  if (error) return <Absent icon="evidence" title={error.absent ? t("calibration.absent") : error.message} />;
  if (!value) return <Absent icon="evidence" title={t("load.waiting")} />;
  if (!value.n) {
    const any = Object.keys(value.by_domain).length > 0;
    return any ? (
      <div class="panels">
        <Shares value={value} />
      </div>
    ) : (
      <Absent icon="evidence" title={t("calibration.none")} />
    );
  }
  return (
    <div class="panels">
      <section class="panel" aria-label={t("tab.calibration")}>
        <h2>{t("tab.calibration")}</h2>
        <div class="kpis row gap">
          <div class="kpi">
            <b>{number(value.n)}</b>
            <span>{t("calibration.n")}</span>
          </div>
          <div class="kpi">
            <b>{figure(value.bias)}</b>
            <span>{t("calibration.bias")}</span>
          </div>
          <div class="kpi">
            <b>{figure(value.mae)}</b>
            <span>{t("calibration.mae")}</span>
          </div>
          <div class="kpi">
            <b>{figure(value.rank_correlation)}</b>
            <span>{t("calibration.rank")}</span>
          </div>
        </div>
        <p class="small soft row gap">{t("calibration.note")}</p>
      </section>
      <Figure
        title={t("calibration.title")}
        note={t("calibration.chart_note")}
        rows={value.bins}
        columns={[
          { key: "forecast", label: t("why.forecast"), numeric: true, get: (bin) => bin.forecast, show: (bin) => figure(bin.forecast) },
          { key: "observed", label: t("why.observed"), numeric: true, get: (bin) => bin.observed, show: (bin) => figure(bin.observed) },
          { key: "n", label: t("calibration.n"), numeric: true, get: (bin) => bin.n },
        ]}
      >
        <Plot label={t("calibration.chart_note")} height={300} draw={draw} />
      </Figure>
      <Shares value={value} />
    </div>
  );
}
