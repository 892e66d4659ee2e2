/** Layers on and off, each with the marks that it draws and what they mean. */
import { useEffect, useRef } from "preact/hooks";
import { city, scene } from "../state/city";
import { layers, theme } from "../state/prefs";
import { number, t, type Word } from "../words";
import { drawControl, drawThing, type Mark } from "./glyphs";
import type { LayerName } from "./layers";
import { palette, type Palette } from "./palette";
import { CONTROL } from "./scene";

type Sample = (ctx: CanvasRenderingContext2D, p: Palette) => void;

const line =
  (worse: number, width: number, dash: number[] = []): Sample =>
  (ctx, p) => {
    ctx.strokeStyle = p.delay[worse];
    ctx.lineWidth = width;
    ctx.setLineDash(dash);
    ctx.beginPath();
    ctx.moveTo(-13, 0);
    ctx.lineTo(13, 0);
    ctx.stroke();
  };
const control =
  (which: number): Sample =>
  (ctx, p) =>
    drawControl(ctx, p, which, 6);
const thing =
  (kind: Mark): Sample =>
  (ctx, p) =>
    drawThing(ctx, p, kind, 6);

const LEGEND: Partial<Record<LayerName, readonly [Word, Sample][]>> = {
  roads: [
    ["delay.free", line(1, 2)],
    ["delay.slow", line(2, 3)],
    ["delay.heavy", line(3, 4)],
    ["delay.stopped", line(4, 5, [7, 3])],
    ["delay.unknown", line(0, 1)],
  ],
  signals: [
    ["control.leased", control(CONTROL.leased)],
    ["control.plan", control(CONTROL.plan)],
    ["control.back", control(CONTROL.back)],
    ["control.held", control(CONTROL.held)],
    ["control.released", control(CONTROL.released)],
    ["control.dead", control(CONTROL.dead)],
  ],
  units: [
    ["thing.unit", thing("unit")],
    ["thing.call", thing("call")],
    ["thing.site", thing("site")],
    ["thing.zone", thing("zone")],
  ],
  refuse: [
    ["thing.truck", thing("truck")],
    ["thing.container", thing("container")],
    ["thing.container_filling", thing("container1")],
    ["thing.container_full", thing("container2")],
  ],
  alerts: [["thing.alert", thing("alert")]],
  sensors: [
    [
      "sensor.fine",
      (ctx, p) => {
        ctx.fillStyle = p.sensor;
        ctx.fillRect(-2, -2, 4, 4);
      },
    ],
    [
      "sensor.exception",
      (ctx, p) => {
        ctx.strokeStyle = p.bad;
        ctx.lineWidth = 1.8;
        ctx.beginPath();
        ctx.moveTo(-4, -4);
        ctx.lineTo(4, 4);
        ctx.moveTo(4, -4);
        ctx.lineTo(-4, 4);
        ctx.stroke();
      },
    ],
  ],
};

function Swatch({ draw }: { draw: Sample }) {
  const box = useRef<HTMLCanvasElement>(null);
  const shade = theme.value;
  useEffect(() => {
    const ctx = box.current?.getContext("2d");
    if (!ctx) return;
    ctx.setTransform(2, 0, 0, 2, 30, 14);
    ctx.clearRect(-15, -7, 30, 14);
    draw(ctx, palette());
  }, [draw, shade]);
  return <canvas ref={box} width={60} height={28} aria-hidden="true" class="swatch" />;
}

export function LayerPanel({ offered: all, folded = false }: { offered: readonly LayerName[]; folded?: boolean }) {
  // A city for which no basemap was configured has no such layer.
  const offered = all.filter((name) => name !== "base" || scene.value.base.kind.length > 0);
  const on = layers.value;
  const counts = city.value?.counts ?? {};
  const total: Partial<Record<LayerName, number>> = {
    roads: counts.edges,
    signals: counts.junctions,
    sensors: counts.sensors,
    vehicles: counts.vehicles,
  };
  const domains = city.value?.domains ?? [];
  const missing = (name: LayerName) => (name === "units" && !domains.includes("emergency")) || (name === "refuse" && !domains.includes("refuse"));
  const drawn = offered.filter((name) => on[name] && !missing(name));
  const legend = drawn.flatMap((name) => LEGEND[name] ?? []);
  // Depots are drawn with either service, and stand in the legend once.
  if (drawn.includes("refuse") && !drawn.includes("units")) legend.push(["thing.site", thing("site")]);
  const wide = typeof innerWidth === "number" && innerWidth > 760;
  return (
    <details class="over layers" open={wide && !folded}>
      <summary>{t("map.layers")}</summary>
      <ul>
        {offered.map((name) => (
          <li key={name}>
            <label>
              <input
                type="checkbox"
                checked={on[name] && !missing(name)}
                disabled={missing(name)}
                onChange={(event) => {
                  layers.value = { ...layers.peek(), [name]: event.currentTarget.checked };
                }}
              />
              <span>{t(`layer.${name}`)}</span>
              {missing(name) ? <span class="count">{t("layer.missing")}</span> : null}
              {total[name] ? <span class="count">{number(total[name])}</span> : null}
            </label>
          </li>
        ))}
      </ul>
      {legend.length > 0 && (
        <ul class="legend" aria-label={t("map.legend")}>
          {legend.map(([word, draw]) => (
            <li key={word}>
              <Swatch draw={draw} />
              <span>{t(word)}</span>
            </li>
          ))}
        </ul>
      )}
    </details>
  );
}
