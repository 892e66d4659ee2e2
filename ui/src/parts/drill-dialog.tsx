/** The pull-the-plug drill: the brain falls silent for a bounded time, and one sees how the junctions take it. */
import { useState } from "preact/hooks";
import { may, send } from "../api/client";
import type { Drill } from "../api/types";
import { close } from "../state/dialogs";
import { drill, reload } from "../state/operations";
import { clock, number, t } from "../words";
import { Dialog } from "./dialog";

export function DrillDialog() {
  const [seconds, setSeconds] = useState(20);
  const [error, setError] = useState<string | null>(null);
  const now = drill.value;
  const act = async (what: () => Promise<Drill>) => {
    setError(null);
    try {
      await what();
      await reload.drill();
    } catch (problem) {
      setError(problem instanceof Error ? problem.message : String(problem));
    }
  };
  return (
    <Dialog title={t("drill.title")} onClose={close}>
      <form
        class="stack"
        onSubmit={(event) => {
          event.preventDefault();
          void act(() => send<Drill>("POST", "/drill", { seconds }));
        }}
      >
        <p class="small soft">{t("drill.note")}</p>
        {now?.active ? (
          <p class="note warn" role="status">
            {t("drill.active", { until: clock(now.until_ms), own: number(now.own_plan), of: number(now.junctions) })}
          </p>
        ) : (
          <fieldset class="choice">
            <legend>{t("drill.long")}</legend>
            {[10, 20, 60, 120].map((s) => (
              <label key={s}>
                <input type="radio" name="seconds" checked={seconds === s} onChange={() => setSeconds(s)} />
                {t("unit.s", { n: s })}
              </label>
            ))}
          </fieldset>
        )}
        {!may("drill.begin") && <p class="note warn">{t("may.not", { role: t("role.operator") })}</p>}
        {error && (
          <p class="note bad" role="alert">
            {error}
          </p>
        )}
        <div class="row">
          {now?.active ? (
            <button type="button" class="btn main" disabled={!may("drill.end")} onClick={() => void act(() => send<Drill>("DELETE", "/drill"))}>
              {t("drill.end")}
            </button>
          ) : (
            <button type="submit" class="btn danger" disabled={!may("drill.begin")}>
              {t("drill.begin")}
            </button>
          )}
          <button type="button" class="btn" onClick={close}>
            {t("act.close")}
          </button>
        </div>
      </form>
    </Dialog>
  );
}
