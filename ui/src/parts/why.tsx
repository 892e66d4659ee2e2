/** One decision, answered: what it saw, chose and rejected, what bound it, what came of it. */
import type { Decision } from "../api/types";
import { href } from "../state/route";
import { clock, figure, hasTerm, number, sensorName, t, term } from "../words";
import { stageName } from "../charts/signal-charts";
import { doing, measure, observation } from "./measured";

/** A decision in one sentence. */
function sentence(decision: Decision): string {
  const { kind, rule } = decision.verdict;
  const told = t("why.plain", { place: decision.junction, what: actionOf(decision), why: reasonOf(decision) });
  const end = kind === "allowed" ? t("why.end_allowed") : kind === "trimmed" ? t("why.end_trimmed", { rule: ruleOf(rule) }) : kind === "refused" ? t("why.end_refused", { rule: ruleOf(rule) }) : ruleOf(rule);
  return `${told} ${end}`;
}

/** The server's own sentence, marked as English where no translation of it exists. */
export function Told({ text }: { text: string }) {
  return <span lang="en">{text}</span>;
}

export function reasonOf(decision: { domain: string; reason: Decision["reason"] }): string {
  const group = decision.domain === "signals" ? "reason" : `${decision.domain}_reason`;
  if (hasTerm(group, decision.reason.code)) return term(group, decision.reason.code);
  return decision.reason.code === "BY_HAND" ? t("came.BY_HAND") : decision.reason.text;
}

export function ruleOf(rule: { code: string | number; text: string } | null): string {
  if (!rule) return "";
  return hasTerm("rule", rule.code) ? term("rule", rule.code) : rule.text;
}

export function actionOf(decision: Decision): string {
  const { stage } = decision.action;
  return stage === null || stage === undefined ? doing(decision) : t("why.show", { stage: stageName(stage) });
}

export function verdictTone(kind: string): string {
  return kind === "allowed" ? "good" : kind === "trimmed" ? "warn" : "bad";
}

export function Why({ decision }: { decision: Decision }) {
  const saw = decision.saw ?? [];
  const { forecast, observed, verdict } = decision;
  return (
    <article class="why" aria-label={t("why.title")}>
      <div class="row">
        <b>{decision.junction}</b>
        <span class="mono">{clock(decision.decided_at_ms)}</span>
        <span class={`tag ${verdictTone(verdict.kind)}`}>{term("verdict", verdict.kind)}</span>
        <span class="tag">{decision.acted ? t("why.acted") : t("why.not_acted", { rung: term("rung", decision.rung) })}</span>
      </div>
      <p class="note accent">{sentence(decision)}</p>
      <ol>
        <li>
          <h3>{t("why.saw")}</h3>
          {saw.length === 0 ? (
            <p class="soft small">{t("why.saw_none")}</p>
          ) : (
            <div class="tablewrap" tabIndex={0} role="group" aria-label={t("why.saw")}>
              <table>
                <caption class="unseen">{t("why.saw")}</caption>
                <thead>
                  <tr>
                    <th scope="col">{t("col.sensor")}</th>
                    <th scope="col" class="num">
                      {t("col.standing")}
                    </th>
                    <th scope="col" class="num">
                      {t("col.seen")}
                    </th>
                    <th scope="col" class="num">
                      {t("col.age_s")}
                    </th>
                  </tr>
                </thead>
                <tbody>
                  {saw.map((one) => (
                    <tr key={one.sensor}>
                      <td>{sensorName(one.sensor)}</td>
                      <td class="num">{number(one.standing_veh)}</td>
                      <td class="num">{number(one.seen_veh)}</td>
                      <td class="num">{number(one.age_s, 1)}</td>
                    </tr>
                  ))}
                </tbody>
              </table>
            </div>
          )}
        </li>
        <li>
          <h3>{t("why.chose")}</h3>
          <p>
            {actionOf(decision)}: {reasonOf(decision)}
          </p>
          <Costs decision={decision} />
        </li>
        <li>
          <h3>{t("why.limits")}</h3>
          <p>
            {verdict.rule ? (
              <>
                {ruleOf(verdict.rule)}
                {verdict.rule.source && <span class="soft small"> ({verdict.rule.source})</span>}
              </>
            ) : (
              t("why.no_limit")
            )}
          </p>
        </li>
        <li>
          <h3>{t("why.sent")}</h3>
          <p>
            {decision.receipt
              ? t("why.receipt", { status: term("receipt", decision.receipt.status), at: clock(decision.receipt.at_ms) })
              : t("why.no_receipt")}
          </p>
        </li>
        <li>
          <h3>{t("why.after")}</h3>
          <dl class="facts">
            <dt>{t("why.forecast")}</dt>
            <dd>
              {forecast ? measure(decision, forecast.value) : "–"}
              {forecast && forecast.horizon_s > 0 && <span class="soft"> · {t("why.within", { n: number(forecast.horizon_s) })}</span>}
              {decision.domain !== "signals" && hasTerm("expects", decision.action.kind) && (
                <span class="soft small"> {term("expects", decision.action.kind)}</span>
              )}
            </dd>
            <dt>{t("why.observed")}</dt>
            <dd>
              {observed?.status === "pending" || !observed ? t("why.pending") : observation(decision)}
              {observed?.status === "partly" && <span class="soft"> · {t("why.partly", { n: number(observed.covered_s) })}</span>}
            </dd>
            {decision.agreement !== null && (
              <>
                <dt>{t("why.agreement")}</dt>
                <dd>{t(decision.agreement ? "why.agrees" : "why.differs")}</dd>
              </>
            )}
          </dl>
        </li>
      </ol>
      <p class="soft tiny">{t("why.no_proof")}</p>
      <a class="small" href={href("evidence", "decisions", { id: decision.id })}>
        {t("why.link")}
      </a>
    </article>
  );
}

/** Expected cost of the action and of each one rejected, as bars with their numbers. */
function Costs({ decision }: { decision: Decision }) {
  const chosen = { name: t("why.chosen"), cost: decision.cost, on: true };
  const others = decision.alternatives.map(({ stage, cost, name }) => ({ name: name ?? stageName(stage), cost, on: false }));
  const rows = [chosen, ...others].filter((row) => row.cost !== null);
  if (rows.length < 2) return <p class="soft small">{t("why.no_alternatives")}</p>;
  const most = Math.max(1e-9, ...rows.map((row) => Math.abs(row.cost ?? 0)));
  return (
    <>
      <p class="soft tiny">{t("why.cost_note", { unit: decision.unit, gain: figure(decision.gain) })}</p>
      <div class="bars">
        {rows.map((row) => (
          <div key={row.name} class={`bar ${row.on ? "chosen" : ""}`}>
            <span>{row.name}</span>
            <i style={{ width: `${Math.max(1, (Math.abs(row.cost ?? 0) / most) * 100)}%` }} />
            <span class="num">{figure(row.cost)}</span>
          </div>
        ))}
      </div>
    </>
  );
}
