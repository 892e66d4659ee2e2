/** What `/api/v1/halves` tells: two runs of a demo side by side. */

/** One half of a split map, as its run tells of itself. */
export interface Half {
  arm: string;
  now_s: number | null;
  end_s?: number;
  vehicles?: number | null;
  standing?: number | null;
  own?: number;
  led?: number;
  back?: number;
  unplugged?: boolean;
  decisions?: number;
}

export interface HalvesTold {
  state: "starting" | "running" | "done";
  seed: number;
  seeds: number[];
  minutes: number;
  unplugged: { begin_s: number; end_s: number };
  halves: { left: Half; right: Half };
  difference: {
    verdict: "too early" | "less" | "more";
    why: "" | "young" | "changing";
    after_s: number;
    least_s: number;
    left_s: number | null;
    right_s: number | null;
    delay_s: number | null;
    share: number | null;
  };
  marks: { every_s: number; left_s: number[]; right_s: number[] };
  result: {
    seeds: number[];
    pairs: {
      measure: string;
      label: string;
      unit: string;
      left: number;
      right: number;
      difference: number;
      low: number | null;
      high: number | null;
      verdict: string;
    }[];
    unsafe: Record<string, [number, number]>;
  } | null;
  report: string | null;
}
