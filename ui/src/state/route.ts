/** The page's address: `#/view/item?at=...`. Whatever is typed there leads to a view, never to an error. */
import { signal } from "@preact/signals";

export const VIEWS = ["city", "signals", "emergency", "refuse", "evidence"] as const;
export type ViewName = (typeof VIEWS)[number];

export interface Route {
  view: ViewName;
  /** What is open in the view: a junction's row, a tab, an id. */
  item: string;
  query: Record<string, string>;
  /** An address that named no view: told, then the first view is shown. */
  unknown: string;
}

export function parse(hash: string): Route {
  const text = hash.replace(/^#?\/?/, "");
  const [path, query = ""] = text.split("?", 2);
  const [first = "", ...rest] = path.split("/");
  const view = VIEWS.find((name) => name === first);
  return {
    view: view ?? "city",
    item: safely(rest.join("/")),
    query: Object.fromEntries(new URLSearchParams(query)),
    unknown: first && !view ? safely(first).slice(0, 60) : "",
  };
}

function safely(text: string): string {
  try {
    return decodeURIComponent(text).slice(0, 200);
  } catch {
    return text.slice(0, 200);
  }
}

export const route = signal<Route>(parse(location.hash));

addEventListener("hashchange", () => {
  route.value = parse(location.hash);
});

export function href(view: ViewName, item: string | number = "", query: Record<string, string> = {}): string {
  const tail = new URLSearchParams(query).toString();
  return `#/${view}${item === "" ? "" : `/${encodeURIComponent(String(item))}`}${tail ? `?${tail}` : ""}`;
}

export function go(view: ViewName, item: string | number = "", query: Record<string, string> = {}): void {
  location.hash = href(view, item, query);
}

/** The row number that the address names, if it is one of the city's. */
export function rowOf(item: string, rows: number): number | null {
  return /^\d{1,7}$/.test(item) && Number(item) < rows ? Number(item) : null;
}
