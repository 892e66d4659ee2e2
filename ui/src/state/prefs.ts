/** What a person has chosen for this browser: language, theme, single-key commands, layers. */
import { effect, signal, type Signal } from "@preact/signals";
import { USUAL, type Layers } from "../map/layers";

export type Language = "en" | "zh";
export type Theme = "light" | "dark";

const PREFIX = "cityloop.";

function kept(name: string): string | null {
  try {
    return localStorage.getItem(PREFIX + name);
  } catch {
    return null; // Storage is refused in some private windows: the choice then lasts as long as the page.
  }
}

function keep(name: string, value: string): void {
  try {
    localStorage.setItem(PREFIX + name, value);
  } catch {
    // As above.
  }
}

function asked(name: string): string | null {
  return new URLSearchParams(location.search).get(name);
}

function chosen<T extends string>(name: string, allowed: readonly T[], usual: T): Signal<T> {
  const found = [asked(name), kept(name)].find((text) => allowed.includes(text as T));
  const value = signal((found as T | undefined) ?? usual);
  effect(() => keep(name, value.value));
  return value;
}

const prefersDark = typeof matchMedia === "function" && matchMedia("(prefers-color-scheme: dark)").matches;

export const language = chosen<Language>("lang", ["en", "zh"], navigator.language.startsWith("zh") ? "zh" : "en");
export const theme = chosen<Theme>("theme", ["light", "dark"], prefersDark ? "dark" : "light");
/** Commands on single letters can be switched off: speech input and some keyboards trip over them (WCAG 2.1.4). */
export const singleKeys = chosen<"on" | "off">("keys", ["on", "off"], "on");

export const layers = signal<Layers>(readLayers());

function readLayers(): Layers {
  try {
    const stored: unknown = JSON.parse(kept("layers") ?? "{}");
    const result = { ...USUAL };
    if (stored && typeof stored === "object") {
      for (const name of Object.keys(USUAL) as (keyof Layers)[]) {
        const value = (stored as Record<string, unknown>)[name];
        if (typeof value === "boolean") result[name] = value;
      }
    }
    return result;
  } catch {
    return { ...USUAL };
  }
}

effect(() => keep("layers", JSON.stringify(layers.value)));

effect(() => {
  document.documentElement.lang = language.value === "zh" ? "zh-Hans" : "en";
  document.documentElement.dataset.theme = theme.value;
});
