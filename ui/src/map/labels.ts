/** Room for names on the map: no name lies on another, on a junction's mark, or half off the screen where it need not. */
import type { Camera } from "./camera";
import type { Layers } from "./layers";
import { CONTROL, type Scene } from "./scene";
import { MARGIN } from "./sheet";

export type Spot = readonly [left: number, top: number, right: number, bottom: number];

/** Half the height that a line of a name takes, halo and all. */
const HALF_LINE = 8;
const STEP = 12;
/** Half a thing's mark, and a letter of its name. */
const THING = 9;
const LETTER = 6.5;
/** Units are named from here on. */
export const UNIT_NAMES_FROM = 0.1;

export class Room {
  private readonly taken: Spot[] = [];

  take(spots: readonly Spot[]): void {
    this.taken.push(...spots);
  }

  /** Take the spots when all of them are free. */
  takeIfFree(spots: readonly Spot[]): boolean {
    if (spots.some((spot) => this.taken.some((one) => meet(one, spot)))) return false;
    this.take(spots);
    return true;
  }
}

function meet(a: Spot, b: Spot): boolean {
  return a[0] < b[2] && a[2] > b[0] && a[1] < b[3] && a[3] > b[1];
}

/** Spots along a line of text through a point, at an angle: small squares, as a turned box is mostly air. */
export function alongText(x: number, y: number, angle: number, width: number): Spot[] {
  const [dx, dy] = [Math.cos(angle), Math.sin(angle)];
  const spots: Spot[] = [];
  for (let at = -width / 2; at <= width / 2; at += STEP) {
    const [px, py] = [x + dx * at, y + dy * at];
    spots.push([px - HALF_LINE, py - HALF_LINE, px + HALF_LINE, py + HALF_LINE]);
  }
  return spots;
}

/** Where units, calls, sites and alerts are drawn, units with their names: what moves on lies there again within a second. */
export function spotsOfThings(v: Camera, s: Scene, on: Layers): Spot[] {
  const spots: Spot[] = [];
  for (const thing of s.things) {
    const shown = thing.kind === "alert" ? on.alerts : thing.kind === "unit" || thing.kind === "call" || thing.kind === "site" ? on.units : false;
    if (!shown) continue;
    const [x, y] = [v.sx(thing.x), v.sy(thing.y)];
    const name = thing.kind === "unit" && v.scale > UNIT_NAMES_FROM ? 6 + thing.label.length * LETTER : 0;
    spots.push([x - THING, y - THING, x + THING + name, y + THING]);
  }
  return spots;
}

export interface JunctionMark {
  row: number;
  x: number;
  y: number;
  r: number;
  /** Left end and middle of the name; null where there is no room for it. */
  name: { x: number; y: number } | null;
}

/** Where junctions' marks lie, and their names beside them: right, left, below or above, whichever is free. */
export function placeJunctions(
  ctx: CanvasRenderingContext2D,
  v: Camera,
  s: Scene,
  room: Room,
  named: boolean,
): JunctionMark[] {
  const many = s.junctionX.length > 150;
  const large = v.scale > 0.3 ? 8 : 6;
  // Far out only what is out of the ordinary stands out.
  const quiet = v.scale > 0.3 ? 8 : many && v.scale < 0.15 ? 3 : 5.5;
  const marks: JunctionMark[] = [];
  for (let row = 0; row < s.junctionX.length; row++) {
    const [x, y] = [v.sx(s.junctionX[row]), v.sy(s.junctionY[row])];
    if (x < 0 || y < 0 || x > v.width || y > v.height) continue;
    const r = (s.control[row] ?? CONTROL.plan) <= CONTROL.leased ? quiet : large;
    marks.push({ row, x, y, r, name: null });
  }
  if (!named) return marks;
  room.take(marks.map(({ x, y, r }): Spot => [x - r, y - r, x + r, y + r]));
  for (const mark of marks) {
    const width = ctx.measureText(s.junctionNames[mark.row]).width;
    const places = around(mark, width);
    const inside = ([x, y]: readonly [number, number]) =>
      x >= MARGIN && x + width <= v.width - MARGIN && y >= MARGIN && y <= v.height - MARGIN;
    // On the screen no name is cut off by its edge; off it, names wait for the map to be moved there.
    const shown = mark.x >= MARGIN && mark.x <= v.width - MARGIN && mark.y >= MARGIN && mark.y <= v.height - MARGIN;
    const free = (shown ? places.filter(inside) : places).find(([x, y]) => room.takeIfFree([[x - 2, y - HALF_LINE, x + width + 2, y + HALF_LINE]]));
    mark.name = free ? { x: free[0], y: free[1] } : null;
  }
  return marks;
}

function around({ x, y, r }: JunctionMark, width: number): (readonly [number, number])[] {
  return [
    [x + r + 4, y],
    [x - r - 4 - width, y],
    [x - width / 2, y + r + 11],
    [x - width / 2, y - r - 11],
  ];
}
