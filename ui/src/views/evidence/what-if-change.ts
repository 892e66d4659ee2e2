/** A what-if in words: what would be otherwise, and over how much it was counted. */
import type { Job } from "../../api/types";
import { layout } from "../../state/city";
import { figure, t } from "../../words";
import { armName } from "../../words/arms";

/** What would be otherwise, in one line. */
export function changeOf(job: Job): string {
  const { change } = job.spec;
  const parts: string[] = [];
  if (change.close_edge) {
    const street = layout.value?.edges.find((edge) => edge.name === change.close_edge)?.street;
    parts.push(t("whatif.is_close", { street: street ? `${street} (${change.close_edge})` : change.close_edge }));
  }
  if (change.demand !== 1) parts.push(t("whatif.is_demand", { n: figure(change.demand) }));
  if (change.add_unit) parts.push(t("whatif.is_unit", { name: change.add_unit }));
  if (change.plan) parts.push(t("whatif.is_plan", { junction: layout.value?.junctions[change.plan.junction]?.label ?? change.plan.junction }));
  const [as, would] = [armName(change.baseline), armName(change.control)];
  if (change.control !== change.baseline) parts.push(t("whatif.is_control", { would, as }));
  else parts.push(...(parts.length ? [] : [t("whatif.is_nothing")]), t("whatif.is_led", { arm: would }));
  return parts.join(" · ");
}

/** Over how many vehicles and calls a run counted, in the mean of all. */
export function countedOf(job: Job): string {
  const arms = Object.values(job.result?.arms ?? {});
  const mean = (values: number[]) => (values.length ? values.reduce((sum, one) => sum + one, 0) / values.length : 0);
  return t("whatif.counted", {
    n: figure(Math.round(mean(arms.flatMap((arm) => arm.vehicles ?? [])))),
    calls: figure(Math.round(10 * mean(arms.flatMap((arm) => arm.calls ?? []))) / 10),
  });
}
