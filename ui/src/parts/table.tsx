/** A table that sorts, filters and pages: the other face of every map and chart. */
import type { ComponentChildren } from "preact";
import { useMemo, useState } from "preact/hooks";
import { number, t } from "../words";

export type Cell = string | number | null | undefined;

export interface Column<T> {
  key: string;
  label: string;
  get(row: T): Cell;
  /** How the value is shown where its text is not enough. */
  show?(row: T): ComponentChildren;
  numeric?: boolean;
}

interface Props<T> {
  caption: string;
  columns: Column<T>[];
  rows: readonly T[];
  rowKey(row: T): string | number;
  /** Makes the first cell a button that opens the row. */
  onPick?(row: T): void;
  selected?: string | number | null;
  filter?: boolean;
  page?: number;
  empty?: string;
  showCaption?: boolean;
}

export function DataTable<T>(props: Props<T>) {
  const { caption, columns, rows, rowKey, onPick, selected, filter = false, page = 100 } = props;
  const [sort, setSort] = useState<{ key: string; down: boolean } | null>(null);
  const [text, setText] = useState("");
  const [from, setFrom] = useState(0);

  const shown = useMemo(() => {
    const sought = text.trim().toLowerCase();
    let found = sought
      ? rows.filter((row) => columns.some((column) => String(column.get(row) ?? "").toLowerCase().includes(sought)))
      : [...rows];
    const by = sort && columns.find((column) => column.key === sort.key);
    if (sort && by) found = found.sort((a, b) => compare(by.get(a), by.get(b)) * (sort.down ? -1 : 1));
    return found;
  }, [rows, columns, text, sort]);

  const begin = Math.min(from, Math.max(0, shown.length - 1));
  const part = shown.slice(begin, begin + page);
  const turn = (key: string) => setSort((was) => (was?.key === key ? (was.down ? null : { key, down: true }) : { key, down: false }));

  return (
    <div class="tablebox">
      {(filter || shown.length > page) && (
        <div class="tablebar">
          {filter && (
            <input
              type="search"
              value={text}
              placeholder={t("table.filter")}
              aria-label={`${t("table.filter")}: ${caption}`}
              onInput={(event) => {
                setText(event.currentTarget.value);
                setFrom(0);
              }}
            />
          )}
          <span class="soft" aria-live="polite">
            {shown.length > page
              ? t("table.part", { from: number(begin + 1), to: number(begin + part.length), of: number(shown.length) })
              : t("table.rows", { n: number(shown.length) })}
          </span>
          {shown.length > page && (
            <span class="row">
              <button class="btn slim" disabled={begin === 0} onClick={() => setFrom(Math.max(0, begin - page))}>
                {t("table.previous")}
              </button>
              <button class="btn slim" disabled={begin + page >= shown.length} onClick={() => setFrom(begin + page)}>
                {t("table.next")}
              </button>
            </span>
          )}
        </div>
      )}
      <div class="tablewrap" tabIndex={0} role="group" aria-label={caption}>
        <table>
          <caption class={props.showCaption ? "" : "unseen"}>{caption}</caption>
          <thead>
            <tr>
              {columns.map((column) => (
                <th
                  key={column.key}
                  scope="col"
                  class={column.numeric ? "num" : ""}
                  aria-sort={sort?.key === column.key ? (sort.down ? "descending" : "ascending") : undefined}
                >
                  <button type="button" onClick={() => turn(column.key)}>
                    {column.label}
                    {sort?.key === column.key ? (sort.down ? " ↓" : " ↑") : ""}
                  </button>
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {part.map((row) => {
              const key = rowKey(row);
              return (
                <tr key={key} class={`${onPick ? "pick" : ""} ${selected === key ? "on" : ""}`} onClick={() => onPick?.(row)}>
                  {columns.map((column, i) => {
                    const value = column.show ? column.show(row) : plain(column.get(row));
                    return (
                      <td key={column.key} class={column.numeric ? "num" : ""}>
                        {i === 0 && onPick ? (
                          <button
                            type="button"
                            class="rowlink"
                            aria-current={selected === key ? "true" : undefined}
                            onClick={(event) => {
                              event.stopPropagation();
                              onPick(row);
                            }}
                          >
                            {value}
                          </button>
                        ) : (
                          value
                        )}
                      </td>
                    );
                  })}
                </tr>
              );
            })}
            {part.length === 0 && (
              <tr>
                <td colSpan={columns.length} class="soft">
                  {props.empty ?? t("table.empty")}
                </td>
              </tr>
            )}
          </tbody>
        </table>
      </div>
    </div>
  );
}

function plain(value: Cell): string {
  return value === null || value === undefined || value === "" ? "–" : String(value);
}

function compare(a: Cell, b: Cell): number {
  const [noA, noB] = [a === null || a === undefined, b === null || b === undefined];
  if (noA || noB) return Number(noA) - Number(noB);
  return typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b), undefined, { numeric: true });
}
