/** Time series through uPlot: queues, sensor histories. Lines differ by dash as well as by colour. */
import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import { FONT } from "../map/ground";
import { palette } from "../map/palette";
import { theme } from "../state/prefs";
import { clock } from "../words";

export interface Series {
  label: string;
  values: (number | null)[];
}

const DASHES = [[], [6, 3], [2, 3], [9, 3, 2, 3], [1, 4]];

export function Lines({ label, times, series, unit, height = 180 }: {
  label: string;
  /** Milliseconds. */
  times: number[];
  series: Series[];
  unit: string;
  height?: number;
}) {
  const box = useRef<HTMLDivElement>(null);
  const shade = theme.value;
  useEffect(() => {
    const element = box.current;
    if (!element) return undefined;
    const p = palette();
    const axis = { stroke: p.soft, grid: { stroke: p.grid, width: 1 }, ticks: { show: false }, font: `11px ${FONT}` };
    const chart = new uPlot(
      {
        width: Math.max(200, element.clientWidth),
        height,
        ms: 1,
        legend: { show: series.length > 1, live: false },
        cursor: { drag: { x: false, y: false } },
        scales: { x: { time: true }, y: { range: (_u, low, high) => [Math.min(0, low), Math.max(1, high * 1.05)] } },
        axes: [
          { ...axis, values: (_u, ticks) => ticks.map((ms) => clock(ms)), space: 84 },
          { ...axis, values: (_u, ticks) => ticks.map((v) => `${v}${unit ? ` ${unit}` : ""}`), size: 58 },
        ],
        series: [
          {},
          ...series.map((line, i) => ({
            label: line.label,
            stroke: p.series[i % p.series.length],
            dash: DASHES[i % DASHES.length],
            width: 1.6,
            points: { show: false },
          })),
        ],
      },
      [times, ...series.map((line) => line.values)],
      element,
    );
    const watcher = new ResizeObserver(() => chart.setSize({ width: Math.max(200, element.clientWidth), height }));
    watcher.observe(element);
    return () => {
      watcher.disconnect();
      chart.destroy();
    };
  }, [times, series, shade, height, unit]);
  return <div ref={box} class="plot" role="img" aria-label={label} />;
}
