/** Colours of canvases. Meaning is always carried by width, dash, shape or words as well. */
import { theme } from "../state/prefs";

export interface Palette {
  ground: string;
  /** Of the basemap: quiet areas that no delay class is mistaken for. */
  land: string;
  green_area: string;
  water: string;
  building: string;
  road: string;
  casing: string;
  /** Roads by delay: unknown, free, slow, heavy, stopped. */
  delay: readonly string[];
  text: string;
  soft: string;
  halo: string;
  vehicle: string;
  queue: string;
  walker: string;
  accent: string;
  good: string;
  warn: string;
  bad: string;
  unit: string;
  truck: string;
  sensor: string;
  grid: string;
  /** Lines of charts, told apart by dash and label too. */
  series: readonly string[];
  green: string;
  yellow: string;
  red: string;
}

const LIGHT: Palette = {
  ground: "#eef1f4",
  land: "#d6dde3",
  green_area: "#dbe8dc",
  water: "#cfdfee",
  building: "#e0e4e8",
  road: "#b9c3cd",
  casing: "#ffffff",
  delay: ["#b4bfca", "#7f8e9d", "#d99a00", "#d3541b", "#9c1458"],
  text: "#16202b",
  soft: "#4b5967",
  halo: "#eef1f4",
  vehicle: "#22384f",
  queue: "#9c1458",
  walker: "#0b6b8f",
  accent: "#1f5fc4",
  good: "#0b6b57",
  warn: "#7d5000",
  bad: "#a3143c",
  unit: "#6d28c9",
  truck: "#7a4a12",
  sensor: "#5e7f9e",
  grid: "#dde3e9",
  series: ["#1f5fc4", "#c2410c", "#0b6b57", "#7c3aed", "#8a6100"],
  green: "#12855f",
  yellow: "#d99a00",
  red: "#c02047",
};

const DARK: Palette = {
  ground: "#0b1015",
  land: "#222b34",
  green_area: "#10201a",
  water: "#0f2233",
  building: "#161e26",
  road: "#3a4753",
  casing: "#0b1015",
  delay: ["#33404c", "#5a6b7b", "#e6bf45", "#f07f3c", "#ff5fa0"],
  text: "#e7edf3",
  soft: "#a5b3c1",
  halo: "#0b1015",
  vehicle: "#cfe0f2",
  queue: "#ff5fa0",
  walker: "#5cc8ee",
  accent: "#8ab8ff",
  good: "#63d3b6",
  warn: "#f2c265",
  bad: "#ff8fab",
  unit: "#c4a1ff",
  truck: "#e5b074",
  sensor: "#56799b",
  grid: "#222d37",
  series: ["#8ab8ff", "#ffad75", "#63d3b6", "#c4a1ff", "#f2c265"],
  green: "#3fcf9a",
  yellow: "#f2c265",
  red: "#ff6f91",
};

export function palette(): Palette {
  return theme.value === "dark" ? DARK : LIGHT;
}

/** A CSS hex colour as the 32-bit word of a little-endian RGBA pixel. */
export function pixelOf(hex: string): number {
  const n = parseInt(hex.slice(1), 16);
  return ((255 << 24) | ((n & 255) << 16) | (n & 0xff00) | (n >> 16)) >>> 0;
}
