/** A decision's forecast and what was then observed, in words: signals count delay, services count time, fills and stops. */
import type { Decision } from "../api/types";
import { figure, hasTerm, percent, span, t, term } from "../words";

/** A forecast or an observation, in its own unit. */
export function measure(decision: Decision, value: number | null | undefined): string {
  if (value === null || value === undefined) return "–";
  const { kind } = decision.action;
  if (decision.domain === "signals") return `${figure(value)} veh·s`;
  if (kind === "EmptyToday") return percent(value);
  if (kind === "Lead") return t(value > 0 ? "came.taken" : "came.not_taken");
  if (kind === "PlanRound") return t("came.containers", { n: figure(value) });
  return span(value);
}

/** What was observed, or why there is no figure. */
export function observation(decision: Decision): string {
  const { observed } = decision;
  if (!observed || observed.status === "pending") return t("why.pending_short");
  if (observed.status === "beyond") return t("came.beyond", { in: span(decision.forecast?.horizon_s) });
  if (observed.status === "overtaken") {
    const why = term("came", observed.note ?? "");
    return observed.value === null ? why : t("came.until", { past: span(observed.value), why });
  }
  return measure(decision, observed.value) + (observed.note && hasTerm("came", observed.note) ? ` (${term("came", observed.note)})` : "");
}

/** What a service does, for a person to read. */
export function doing(decision: Decision): string {
  const { kind, stage, call, place, stops } = decision.action;
  if (stage !== null && stage !== undefined) return "";
  return hasTerm("doing", kind)
    ? t(`doing.${kind}` as "doing.Send", { call: call ?? "", place: place ?? "", n: stops ?? "" })
    : kind;
}
