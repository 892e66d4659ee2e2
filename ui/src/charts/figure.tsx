/** A chart and the table of the same data, one key press apart. */
import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { palette, type Palette } from "../map/palette";
import { DataTable, type Column } from "../parts/table";
import { theme } from "../state/prefs";
import { t } from "../words";

interface Props<T> {
  title: string;
  /** How to read it, or what it cannot tell. */
  note?: string;
  columns: Column<T>[];
  rows: readonly T[];
  /** Said in place of the chart when there is nothing to draw. */
  empty?: string;
  wide?: boolean;
  children: ComponentChildren;
}

export function Figure<T>({ title, note, columns, rows, empty, wide = false, children }: Props<T>) {
  const [table, setTable] = useState(false);
  const none = rows.length === 0;
  return (
    <section class={`panel figure ${wide ? "wide" : ""}`} aria-label={title}>
      <header>
        <div>
          <h3>{title}</h3>
          {note && <p>{note}</p>}
        </div>
        {!none && (
          <button type="button" class="btn slim" aria-pressed={table} onClick={() => setTable(!table)}>
            {t("chart.table")}
            <span class="unseen">: {title}</span>
          </button>
        )}
      </header>
      {none ? (
        <p class="note">{empty ?? t("chart.empty")}</p>
      ) : table ? (
        <DataTable caption={title} columns={columns} rows={rows} rowKey={(row) => rows.indexOf(row)} page={200} />
      ) : (
        children
      )}
    </section>
  );
}

export type Draw = (ctx: CanvasRenderingContext2D, width: number, height: number, p: Palette) => void;

/** A canvas that is drawn again when its size, theme or data change. */
export function Plot({ label, height, draw }: { label: string; height: number; draw: Draw }) {
  const box = useRef<HTMLDivElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  const [width, setWidth] = useState(0);
  const shade = theme.value;
  useEffect(() => {
    const element = box.current;
    if (!element) return undefined;
    const watcher = new ResizeObserver(() => setWidth(element.clientWidth));
    watcher.observe(element);
    return () => watcher.disconnect();
  }, []);
  useEffect(() => {
    const c = canvas.current;
    const ctx = c?.getContext("2d");
    if (!c || !ctx || !width) return;
    const dpr = Math.min(2, devicePixelRatio || 1);
    c.width = Math.round(width * dpr);
    c.height = Math.round(height * dpr);
    ctx.setTransform(dpr, 0, 0, dpr, 0, 0);
    ctx.clearRect(0, 0, width, height);
    draw(ctx, width, height, palette());
  }, [width, height, shade, draw]);
  return (
    <div ref={box} class="plot" role="img" aria-label={label} style={{ height: `${height}px` }}>
      <canvas ref={canvas} style={{ width: "100%", height: `${height}px` }} />
    </div>
  );
}
