/** What the brain advises where a person decides: one key accepts it, for a bounded time, through the same guard. */
import { useState } from "preact/hooks";
import { may, send } from "../api/client";
import type { Decision, Hold } from "../api/types";
import { stageName } from "../charts/signal-charts";
import { reload, say } from "../state/operations";
import { clock, figure, t, term } from "../words";
import { told } from "./act-dialog";
import { reasonOf } from "./why";

const ACCEPTED_S = 60;

export function Advice({ row, advice }: { row: number; advice: Decision | null }) {
  const [busy, setBusy] = useState(false);
  const stage = advice?.action.stage;
  const accept = async () => {
    if (!advice) return;
    setBusy(true);
    try {
      const hold = await send<Hold>("POST", "/holds", { kind: "advice", junction: row, decision: advice.id, expires_in_s: ACCEPTED_S });
      await reload.holds();
      const answer = hold.receipt ? term("receipt", hold.receipt.status) : t("hold.no_receipt");
      say(`${t("hold.placed", { until: clock(hold.expires_at_ms) })} ${answer}`, "good");
    } catch (problem) {
      say(told(problem), "bad");
    } finally {
      setBusy(false);
    }
  };
  return (
    <section class="block" aria-labelledby="advice-title">
      <header>
        <h3 id="advice-title">{t("advice.title")}</h3>
      </header>
      {advice && stage !== null && stage !== undefined ? (
        <>
          <p>
            <b>{t("why.show", { stage: stageName(stage) })}</b>: {reasonOf(advice)}
            {advice.gain !== null && <span class="soft"> {t("advice.gain", { gain: figure(advice.gain), unit: advice.unit })}</span>}
          </p>
          <button type="button" class="btn main" data-act="advice" disabled={busy || !may("holds.place")} onClick={() => void accept()}>
            {t("advice.accept", { n: ACCEPTED_S })} <kbd>Y</kbd>
          </button>
          {!may("holds.place") && <p class="note warn">{t("may.not", { role: t("role.operator") })}</p>}
        </>
      ) : (
        <p class="soft small">{t("advice.none")}</p>
      )}
    </section>
  );
}
