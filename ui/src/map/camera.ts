/** Where the map looks: metres of the city (y north) to CSS pixels (y down). */
export type Box = readonly [minX: number, minY: number, maxX: number, maxY: number];

const LEAST_SCALE = 0.004;
const GREATEST_SCALE = 12;

export class Camera {
  x = 0;
  y = 0;
  /** Pixels a metre. */
  scale = 0.1;
  width = 1;
  height = 1;
  /** Counts changes of scale, so that caches know when a zoom has settled. */
  zoomedAt = 0;

  sx(x: number): number {
    return (x - this.x) * this.scale + this.width / 2;
  }

  sy(y: number): number {
    return (this.y - y) * this.scale + this.height / 2;
  }

  wx(px: number): number {
    return (px - this.width / 2) / this.scale + this.x;
  }

  wy(py: number): number {
    return this.y - (py - this.height / 2) / this.scale;
  }

  pan(dx: number, dy: number): void {
    this.x -= dx / this.scale;
    this.y += dy / this.scale;
  }

  /** Zoom by a factor about a point of the screen, which keeps its place. */
  zoom(factor: number, px: number, py: number, at: number): void {
    const [wx, wy] = [this.wx(px), this.wy(py)];
    this.scale = Math.min(GREATEST_SCALE, Math.max(LEAST_SCALE, this.scale * factor));
    this.x = wx - (px - this.width / 2) / this.scale;
    this.y = wy + (py - this.height / 2) / this.scale;
    this.zoomedAt = at;
  }

  /** Show a whole box, clear of what lies over the left edge of the map. */
  fit(box: Box, at: number, left = 0): void {
    const pad = 20;
    const [minX, minY, maxX, maxY] = box;
    this.x = (minX + maxX) / 2;
    this.y = (minY + maxY) / 2;
    const across = (this.width - left - 2 * pad) / Math.max(1, maxX - minX);
    const down = (this.height - 2 * pad) / Math.max(1, maxY - minY);
    this.scale = Math.min(GREATEST_SCALE, Math.max(LEAST_SCALE, Math.min(across, down)));
    this.x -= left / 2 / this.scale;
    this.zoomedAt = at;
  }
}
