/** Every text of the page, in every language; a missing word does not compile. */
import { language } from "../state/prefs";
import { city } from "../state/city";
import { en } from "./en";
import { zh } from "./zh";

export type Word = keyof typeof en;

const DATELESS_MS = 400 * 86_400_000;

const BOOKS: Record<string, Record<Word, string>> = { en, zh };

/** The text of a word; `{name}` in it is replaced by the value of that name. */
export function t(word: Word, values: Record<string, string | number> = {}): string {
  const text = BOOKS[language.value][word];
  return text.replace(/\{(\w+)\}/g, (_, name: string) => String(values[name] ?? ""));
}

/** A server's own term (a mode, a rule, a kind) in the reader's language, or as the server wrote it. */
export function term(group: string, code: string | number): string {
  const word = `${group}.${code}`;
  return word in en ? t(word as Word) : String(code);
}

/** A district by its name; those that a city has by quarters of the sky, in the reader's language. */
export function districtName(id: string | undefined): string {
  if (id === undefined || hasTerm("district", id)) return id === undefined ? "" : term("district", id);
  return city.value?.districts.find((d) => d.id === id)?.name ?? id;
}

/** A detector by what the server calls it: its kind in the reader's language, its number and lane as they are. */
export function sensorName(name: string): string {
  const found = /^(approach|controller|crossing call) (.+)$/.exec(name);
  return found ? `${term("sensorname", found[1])} ${found[2]}` : name;
}

/** Why a detector is not trusted, in the reader's language where it is one of the usual reasons. */
export function sensorReason(reason: string): string {
  const silent = /^silent for ([\d.]+) s$/.exec(reason);
  return silent ? t("sensor.silent_for", { n: silent[1] }) : term("sensorreason", reason);
}

export function hasTerm(group: string, code: string | number): boolean {
  return `${group}.${code}` in en;
}

function locale(): string {
  return language.value === "zh" ? "zh-CN" : "en-GB";
}

const clocks = new Map<string, Intl.DateTimeFormat>();

function formatter(key: string, options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat {
  const zone = city.value?.zone ?? "UTC";
  const name = `${locale()}/${zone}/${key}`;
  let made = clocks.get(name);
  if (!made) {
    try {
      made = new Intl.DateTimeFormat(locale(), { ...options, timeZone: zone });
    } catch {
      made = new Intl.DateTimeFormat(locale(), { ...options, timeZone: "UTC" });
    }
    clocks.set(name, made);
  }
  return made;
}

/** Time of day in the city's own zone. */
export function clock(ms: number | null | undefined): string {
  if (ms === null || ms === undefined || !Number.isFinite(ms)) return "–";
  return formatter("clock", { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" }).format(ms);
}

export function dayAndClock(ms: number | null | undefined): string {
  if (ms === null || ms === undefined || !Number.isFinite(ms)) return "–";
  // A run counts from the midnight of a day that has no date.
  if (ms < DATELESS_MS) return clock(ms);
  return formatter("day", {
    year: "numeric",
    month: "2-digit",
    day: "2-digit",
    hour: "2-digit",
    minute: "2-digit",
    second: "2-digit",
    hourCycle: "h23",
  }).format(ms);
}

export function number(value: number | null | undefined, digits = 0): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return "–";
  return value.toLocaleString(locale(), { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

/** As many digits as tell something: 0.042, 1.3, 128. */
export function figure(value: number | null | undefined): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return "–";
  const size = Math.abs(value);
  return number(value, size >= 100 || Number.isInteger(value) ? 0 : size >= 1 ? 1 : 3);
}

export function percent(share: number | null | undefined): string {
  return share === null || share === undefined ? "–" : `${number(share * 100)} %`;
}

/** 45 s, 3 min, 2 h 5 min. */
export function span(seconds: number | null | undefined): string {
  if (seconds === null || seconds === undefined || !Number.isFinite(seconds)) return "–";
  const s = Math.max(0, Math.round(seconds));
  if (s < 90) return t("unit.s", { n: s });
  if (s < 5400) return t("unit.min", { n: Math.round(s / 60) });
  return t("unit.h", { h: Math.floor(s / 3600), n: Math.round((s % 3600) / 60) });
}
