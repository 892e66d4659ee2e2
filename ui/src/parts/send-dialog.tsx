/** Send another unit than the one recommended: a reason is asked for, the guard has the last word, both are recorded. */
import { useState } from "preact/hooks";
import { send } from "../api/client";
import { reload } from "../state/operations";
import { t, term } from "../words";
import { ActDialog, told } from "./act-dialog";

export interface Candidate {
  unit: number;
  name: string;
  /** Expected drive and the price in cover, in words. */
  about: string;
  sent: boolean;
}

interface Props {
  call: number;
  candidates: readonly Candidate[];
}

export function SendDialog({ call, candidates }: Props) {
  const first = candidates.find((one) => !one.sent) ?? candidates[0];
  const [unit, setUnit] = useState(first?.unit ?? -1);
  const [why, setWhy] = useState("");
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<string | null>(null);
  const [done, setDone] = useState<{ label: string; verdict: string | null } | null>(null);

  const place = async () => {
    setBusy(true);
    setError(null);
    try {
      setDone(await send("POST", "/dispatch", { call, unit, why }));
      void reload.holds();
    } catch (problem) {
      setError(told(problem));
    } finally {
      setBusy(false);
    }
  };

  return (
    <ActDialog
      title={t("send.title", { call })}
      needs="dispatch.send"
      act={t("send.act")}
      busy={busy}
      ready={why.trim() !== "" && unit >= 0}
      error={error}
      onAct={() => void place()}
      done={
        done && (
          <>
            {t("send.done", { unit: done.label })}{" "}
            {done.verdict ? t("send.guard", { verdict: term("verdict", done.verdict) }) : t("send.no_verdict")}
          </>
        )
      }
    >
      <fieldset class="choice tall">
        <legend>{t("send.which")}</legend>
        {candidates.map((one) => (
          <label key={one.unit}>
            <input type="radio" name="unit" checked={unit === one.unit} onChange={() => setUnit(one.unit)} />
            <b>{one.name}</b>
            <span class="soft small">{one.about}</span>
          </label>
        ))}
      </fieldset>
      <label class="field">
        <span>{t("send.why")}</span>
        <input type="text" autofocus required value={why} maxLength={200} onInput={(event) => setWhy(event.currentTarget.value)} />
      </label>
      <p class="soft small">{t("send.note")}</p>
    </ActDialog>
  );
}
