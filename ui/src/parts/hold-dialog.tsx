/** Hold a stage, release to plan or run a plan by hand: always with an expiry, answered by the controller's receipt. */
import { useState } from "preact/hooks";
import { ApiError, send } from "../api/client";
import type { Hold } from "../api/types";
import { stageName } from "../charts/signal-charts";
import { layout, live } from "../state/city";
import { holds, reload, say } from "../state/operations";
import { clock, number, t, term } from "../words";
import { ActDialog, told } from "./act-dialog";

const EXPIRIES_S = [60, 120, 300, 900];
const ACTS = ["hold", "release", "plan"] as const;
type Act = (typeof ACTS)[number];
const USUAL_GREEN_S = 20;

export function HoldDialog({ row, act: first }: { row: number; act: Act }) {
  const junction = layout.value?.junctions[row];
  const stages = (layout.value?.stages ?? []).slice(...(junction?.stages ?? [0, 0])).filter((stage) => stage.service);
  const shown = live.junctions?.stage[row];
  const [act, setAct] = useState(first);
  const [stage, setStage] = useState(stages.find((s) => s.local === shown)?.local ?? stages[0]?.local ?? 0);
  const [greens, setGreens] = useState<Record<number, string>>({});
  const [expiry, setExpiry] = useState(120);
  const [why, setWhy] = useState("");
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<string | null>(null);
  const [other, setOther] = useState<string | null>(null);
  const [done, setDone] = useState<{ hold: Hold; took: number } | null>(null);
  if (!junction) return null;

  const greenOf = (s: { local: number; min_green_s: number }) => greens[s.local] ?? String(Math.max(USUAL_GREEN_S, Math.ceil(s.min_green_s)));

  const place = async (replace: string | null) => {
    setBusy(true);
    setError(null);
    const began = performance.now();
    try {
      const hold = await send<Hold>("POST", "/holds", {
        kind: act,
        junction: row,
        ...(act === "hold" ? { stage } : {}),
        ...(act === "plan" ? { stages: stages.filter((s) => greenOf(s) !== "").map((s) => [s.local, Number(greenOf(s))]) } : {}),
        expires_in_s: expiry,
        why,
        ...(replace ? { replace } : {}),
      });
      setDone({ hold, took: (performance.now() - began) / 1000 });
      holds.value = [hold, ...holds.value.filter((h) => h.id !== hold.id)];
      void reload.holds();
    } catch (problem) {
      setError(told(problem));
      if (problem instanceof ApiError && problem.code === "held_by_other") setOther(otherId(problem.body));
    } finally {
      setBusy(false);
    }
  };

  return (
    <ActDialog
      title={t(act === "hold" ? "hold.title" : act === "plan" ? "plan.title" : "release.title", { junction: junction.label || junction.name })}
      needs="holds.place"
      act={t(`act.${act}`)}
      busy={busy}
      error={error}
      onAct={() => void place(null)}
      done={
        done && (
          <>
            {t("hold.placed", { until: clock(done.hold.expires_at_ms) })}
            <br />
            {done.hold.receipt
              ? t("hold.receipt", { status: term("receipt", done.hold.receipt.status), s: number(done.took, 2) })
              : t("hold.no_receipt")}
            {done.hold.bound_by && (
              <>
                <br />
                {t("hold.bound")}
              </>
            )}
          </>
        )
      }
      beside={
        other && (
          <button type="button" class="btn danger" disabled={busy} onClick={() => void place(other)}>
            {t("hold.replace")}
          </button>
        )
      }
    >
      <fieldset class="choice">
        <legend>{t("hold.act")}</legend>
        {ACTS.map((one) => (
          <label key={one}>
            <input type="radio" name="act" checked={act === one} onChange={() => setAct(one)} />
            {t(`act.${one}`)}
          </label>
        ))}
      </fieldset>
      {act === "hold" && (
        <fieldset class="choice">
          <legend>{t("hold.stage")}</legend>
          {stages.map((s) => (
            <label key={s.local}>
              <input type="radio" name="stage" autofocus={stage === s.local} checked={stage === s.local} onChange={() => setStage(s.local)} />
              {stageName(s.local)}
              {s.local === shown && <span class="soft tiny">{t("hold.now")}</span>}
            </label>
          ))}
        </fieldset>
      )}
      {act === "plan" && (
        <fieldset class="stack plain">
          <legend class="small">{t("plan.greens")}</legend>
          <div class="row">
            {stages.map((s) => (
              <label key={s.local} class="field short">
                <span>{stageName(s.local)}</span>
                <input
                  type="number"
                  min={Math.ceil(s.min_green_s)}
                  max="120"
                  step="1"
                  value={greenOf(s)}
                  onInput={(event) => setGreens({ ...greens, [s.local]: event.currentTarget.value })}
                />
              </label>
            ))}
          </div>
        </fieldset>
      )}
      <fieldset class="choice">
        <legend>{t("hold.expiry")}</legend>
        {EXPIRIES_S.map((s) => (
          <label key={s}>
            <input type="radio" name="expiry" checked={expiry === s} onChange={() => setExpiry(s)} />
            {t("unit.min", { n: s / 60 })}
          </label>
        ))}
      </fieldset>
      <label class="field">
        <span>{t("hold.why")}</span>
        <input type="text" value={why} maxLength={200} onInput={(event) => setWhy(event.currentTarget.value)} />
      </label>
      <p class="soft small">{t(`${act}.note`)}</p>
    </ActDialog>
  );
}

function otherId(body: unknown): string | null {
  const found = body as { hold?: { id?: string }; error?: { hold?: { id?: string } } } | null;
  return found?.hold?.id ?? found?.error?.hold?.id ?? null;
}

export async function lift(hold: Hold): Promise<void> {
  try {
    await send("DELETE", `/holds/${encodeURIComponent(hold.id)}`);
    await reload.holds();
    say(t("hold.lifted"), "good");
  } catch (problem) {
    say(told(problem), "bad");
  }
}
