/** The map on the page: pointer, touch and keyboard, layers with their legend, and the table of the same data. */
import { useEffect, useRef, useState } from "preact/hooks";
import { useSignalEffect } from "@preact/signals";
import { attach, city, loadSensors, repaintAll, scene, sensorsWanted } from "../state/city";
import { layers, theme } from "../state/prefs";
import { Icon } from "../parts/icon";
import { number, t } from "../words";
import type { Camera } from "./camera";
import type { LayerName, Layers } from "./layers";
import { LayerPanel } from "./layer-panel";
import { MapTable } from "./map-table";
import { Renderer, type Pick } from "./renderer";

/** What belongs to every map. */
const ALWAYS: readonly LayerName[] = ["roads", "labels"];

/** One of two maps that look through the same camera. */
export interface HalfMap {
  side: "left" | "right";
  camera: Camera;
  attach(renderer: Renderer): () => void;
  /** Called when one of the two has moved the camera. */
  onView(): void;
}

interface Props {
  label: string;
  half?: HalfMap;
  /** Layers that this view offers, in order. */
  offered: readonly LayerName[];
  selected?: { x: number; y: number } | null;
  onPick?(pick: Pick): void;
}

const PAN_PX = 90;
const ZOOM = 1.35;
const CLICK_PX = 5;
/** Thirty frames a second are plenty beside another map. */
const HALF_EVERY_MS = 30;
const MOVES = [
  ["in", "map.in", "plus"],
  ["out", "map.out", "minus"],
  ["fit", "map.fit", "fit"],
] as const;

export function MapView({ label, half, offered, selected = null, onPick }: Props) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const ground = useRef<HTMLDivElement>(null);
  const made = useRef<Renderer | null>(null);
  const [table, setTable] = useState(false);
  const [scale, setScale] = useState(0);
  const help = half ? `map-help-${half.side}` : "map-help";

  useEffect(() => {
    const [c, box] = [canvas.current, ground.current];
    if (!c || !box) return undefined;
    const renderer = new Renderer(c, () => shownOf(layers.peek(), offered), half?.camera, half && HALF_EVERY_MS);
    made.current = renderer;
    const detach = half ? half.attach(renderer) : attach(renderer);
    let fitted = "";
    const fit = () => {
      const name = city.peek()?.layout_version ?? "";
      renderer.resize(box.clientWidth, box.clientHeight);
      if (fitted !== name) {
        renderer.camera.fit(scene.peek().core, performance.now(), panelWidth(box));
        fitted = name;
      }
      renderer.repaint("now");
      setScale(renderer.camera.scale);
    };
    const watcher = new ResizeObserver(fit);
    watcher.observe(box);
    const stopCity = city.subscribe(fit);
    renderer.onView = () => {
      setScale(renderer.camera.scale);
      half?.onView();
    };
    const stopGestures = gestures(renderer, box, (pick) => onPickNow.current?.(pick));
    renderer.start();
    Object.assign(c, { renderer });
    return () => {
      renderer.stop();
      watcher.disconnect();
      stopCity();
      stopGestures();
      detach();
    };
  }, []);

  const onPickNow = useRef(onPick);
  onPickNow.current = onPick;

  useSignalEffect(() => {
    // Read so that a change of either repaints.
    void theme.value;
    void layers.value;
    repaintAll();
    made.current?.repaint("now");
    if (layers.value.sensors && offered.includes("sensors") && !sensorsWanted.peek()) void loadSensors();
  });

  useEffect(() => {
    const renderer = made.current;
    if (!renderer) return;
    renderer.selected = selected;
    if (selected) bringIntoView(renderer, selected);
  }, [selected?.x, selected?.y]);

  const act = (what: "in" | "out" | "fit") => {
    const renderer = made.current;
    if (!renderer) return;
    const { camera } = renderer;
    if (what === "fit") camera.fit(scene.peek().core, performance.now(), panelWidth(ground.current));
    else camera.zoom(what === "in" ? ZOOM : 1 / ZOOM, camera.width / 2, camera.height / 2, performance.now());
    setScale(camera.scale);
    half?.onView();
  };

  const onKey = (event: KeyboardEvent) => {
    const renderer = made.current;
    if (!renderer || event.ctrlKey || event.metaKey || event.altKey) return;
    const step = event.shiftKey ? PAN_PX * 3 : PAN_PX;
    const { camera } = renderer;
    const moves: Record<string, () => void> = {
      ArrowLeft: () => camera.pan(step, 0),
      ArrowRight: () => camera.pan(-step, 0),
      ArrowUp: () => camera.pan(0, step),
      ArrowDown: () => camera.pan(0, -step),
      "+": () => act("in"),
      "=": () => act("in"),
      "-": () => act("out"),
      Home: () => act("fit"),
      "0": () => act("fit"),
      Enter: () => {
        const pick = renderer.pick(camera.width / 2, camera.height / 2, 40);
        if (pick) onPickNow.current?.(pick);
      },
    };
    const move = moves[event.key];
    if (!move) return;
    event.preventDefault();
    event.stopPropagation();
    move();
  };

  return (
    <div class="mapbox">
      <div
        ref={ground}
        class="ground"
        role="application"
        tabIndex={0}
        aria-label={label}
        aria-describedby={help}
        onKeyDown={onKey}
        onFocus={() => made.current && (made.current.crosshair = ground.current?.matches(":focus-visible") ?? false)}
        onBlur={() => made.current && (made.current.crosshair = false)}
      >
        <canvas ref={canvas} aria-hidden="true" data-map="1" />
      </div>
      <p id={help} class="unseen">
        {t("map.help")} {half && t("halves.together")}
      </p>
      {half?.side !== "right" && <LayerPanel offered={offered} folded={half !== undefined} />}
      <div class="over tools" role="group" aria-label={t("map.tools")}>
        {half?.side !== "left" &&
          MOVES.map(([what, word, icon]) => (
            <button key={what} type="button" class="btn" aria-label={t(word)} title={t(word)} onClick={() => act(what)}>
              <Icon name={icon} />
            </button>
          ))}
        <button
          type="button"
          class="btn"
          data-act="map-table"
          aria-label={half ? `${t("map.table")}: ${label}` : t("map.table")}
          title={t("map.table")}
          aria-pressed={table}
          onClick={() => setTable(!table)}
        >
          <Icon name="table" />
        </button>
      </div>
      {scene.value.base.attribution && layers.value.base && half?.side !== "left" && (
        <p class="over credit">{scene.value.base.attribution}</p>
      )}
      {half?.side !== "right" && <ScaleBar scale={half ? half.camera.scale : scale} />}
      {table && <MapTable offered={offered} of={half && label} onClose={() => setTable(false)} onPick={onPick} />}
    </div>
  );
}

/** A layer that a view does not offer is not drawn there, whatever another view has switched on. */
function shownOf(on: Layers, offered: readonly LayerName[]): Layers {
  const shown = { ...on };
  for (const name of Object.keys(on) as LayerName[]) shown[name] = on[name] && (offered.includes(name) || ALWAYS.includes(name));
  return shown;
}

function ScaleBar({ scale }: { scale: number }) {
  if (!scale) return null;
  const metres = [10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000].find((m) => m * scale > 60) ?? 50_000;
  return (
    <div class="over scale">
      <i style={{ width: `${Math.round(metres * scale)}px` }} />
      <span>{metres >= 1000 ? `${number(metres / 1000)} km` : `${metres} m`}</span>
    </div>
  );
}

/** Room that the open layer panel takes from the map; on a phone the map lies under it. */
function panelWidth(ground: HTMLElement | null): number {
  const panel = ground?.parentElement?.querySelector<HTMLDetailsElement>("details.layers");
  return panel?.open && (ground?.clientWidth ?? 0) > 760 ? panel.offsetWidth + 12 : 0;
}

function bringIntoView(renderer: Renderer, at: { x: number; y: number }): void {
  const { camera } = renderer;
  const [px, py] = [camera.sx(at.x), camera.sy(at.y)];
  const inside = px > 60 && py > 60 && px < camera.width - 60 && py < camera.height - 60;
  if (inside) return;
  camera.x = at.x;
  camera.y = at.y;
}

/** Drag to pan, wheel or two fingers to zoom, press to pick. */
function gestures(renderer: Renderer, box: HTMLElement, onPick: (pick: Pick) => void): () => void {
  const down = new Map<number, { x: number; y: number }>();
  let moved = 0;
  let apart = 0;
  const place = (event: PointerEvent | WheelEvent) => {
    const rect = box.getBoundingClientRect();
    return { x: event.clientX - rect.left, y: event.clientY - rect.top };
  };
  const spread = () => {
    const [a, b] = [...down.values()];
    return Math.hypot(a.x - b.x, a.y - b.y);
  };
  const onDown = (event: PointerEvent) => {
    if (event.button > 0) return;
    box.setPointerCapture(event.pointerId);
    down.set(event.pointerId, place(event));
    moved = 0;
    if (down.size === 2) apart = spread();
  };
  const onMove = (event: PointerEvent) => {
    const was = down.get(event.pointerId);
    if (!was) return;
    const is = place(event);
    down.set(event.pointerId, is);
    moved += Math.abs(is.x - was.x) + Math.abs(is.y - was.y);
    if (down.size === 1) renderer.camera.pan(is.x - was.x, is.y - was.y);
    else if (down.size === 2 && apart > 0) {
      const now = spread();
      const [a, b] = [...down.values()];
      renderer.camera.zoom(now / apart, (a.x + b.x) / 2, (a.y + b.y) / 2, performance.now());
      apart = now;
      renderer.onView?.();
    }
  };
  const onUp = (event: PointerEvent) => {
    if (!down.delete(event.pointerId)) return;
    if (moved < CLICK_PX) {
      const { x, y } = place(event);
      const pick = renderer.pick(x, y, event.pointerType === "touch" ? 24 : 14);
      if (pick) onPick(pick);
    }
  };
  const onCancel = (event: PointerEvent) => down.delete(event.pointerId);
  const onWheel = (event: WheelEvent) => {
    event.preventDefault();
    const { x, y } = place(event);
    renderer.camera.zoom(Math.exp(-event.deltaY * 0.0016), x, y, performance.now());
    renderer.onView?.();
  };
  box.addEventListener("pointerdown", onDown);
  box.addEventListener("pointermove", onMove);
  box.addEventListener("pointerup", onUp);
  box.addEventListener("pointercancel", onCancel);
  box.addEventListener("wheel", onWheel, { passive: false });
  return () => {
    box.removeEventListener("pointerdown", onDown);
    box.removeEventListener("pointermove", onMove);
    box.removeEventListener("pointerup", onUp);
    box.removeEventListener("pointercancel", onCancel);
    box.removeEventListener("wheel", onWheel);
  };
}
