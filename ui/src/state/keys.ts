/** Keys that work everywhere. Letters do nothing while one writes, or when a person has switched them off. */
import { close, open } from "./dialogs";
import { layout } from "./city";
import { singleKeys, theme } from "./prefs";
import { go, route, rowOf, VIEWS } from "./route";

function writing(target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false;
  const type = target instanceof HTMLInputElement ? target.type : "";
  if (["radio", "checkbox", "range"].includes(type)) return false;
  return target.isContentEditable || ["INPUT", "TEXTAREA", "SELECT"].includes(target.tagName);
}

/** The junction that a command on a key is meant for. */
function junctionInHand(): number | null {
  const rows = layout.value?.junctions.length ?? 0;
  if (route.value.view === "signals") return rowOf(route.value.item, rows) ?? (rows ? 0 : null);
  return rowOf(route.value.query.junction ?? "", rows);
}

function press(selector: string): void {
  document.querySelector<HTMLElement>(selector)?.click();
}

export function onKey(event: KeyboardEvent): void {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "Escape" && open.value) {
    close();
    return;
  }
  if (open.value || writing(event.target) || singleKeys.value === "off") return;
  const view = VIEWS[Number(event.key) - 1];
  if (view && /^[1-5]$/.test(event.key)) {
    event.preventDefault();
    go(view);
    return;
  }
  const row = junctionInHand();
  const acts: Record<string, () => void> = {
    "/": () => (open.value = { kind: "find" }),
    "?": () => (open.value = { kind: "help" }),
    h: () => row !== null && (open.value = { kind: "hold", row, act: "hold" }),
    r: () => row !== null && (open.value = { kind: "hold", row, act: "release" }),
    p: () => row !== null && (open.value = { kind: "hold", row, act: "plan" }),
    y: () => press('[data-act="advice"]'),
    l: () => (open.value = { kind: "ladder" }),
    s: () => press('[data-act="send"]'),
    a: () => press('[data-act="alerts"]'),
    m: () => document.querySelector<HTMLElement>(".ground")?.focus(),
    t: () => press('[data-act="map-table"]'),
    d: () => (theme.value = theme.value === "dark" ? "light" : "dark"),
  };
  const act = acts[event.key.toLowerCase()];
  if (!act) return;
  event.preventDefault();
  act();
}
