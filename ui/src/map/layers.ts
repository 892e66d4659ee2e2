/** Which layers of the map are shown. */
export interface Layers {
  base: boolean;
  roads: boolean;
  queues: boolean;
  signals: boolean;
  vehicles: boolean;
  people: boolean;
  units: boolean;
  refuse: boolean;
  alerts: boolean;
  sensors: boolean;
  labels: boolean;
}

export const USUAL: Layers = {
  base: true,
  roads: true,
  queues: true,
  signals: true,
  vehicles: true,
  people: true,
  units: true,
  refuse: true,
  alerts: true,
  sensors: false,
  labels: true,
};

export type LayerName = keyof Layers;
