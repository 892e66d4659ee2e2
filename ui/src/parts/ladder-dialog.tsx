/** The ladder: shadow, advise, live, for each domain and district. */
import { useState } from "preact/hooks";
import { may, send } from "../api/client";
import type { Change, Rung } from "../api/types";
import { city } from "../state/city";
import { close } from "../state/dialogs";
import { ladder, reload, say } from "../state/operations";
import { clock, districtName, percent, t, term } from "../words";
import { Dialog } from "./dialog";

export const RUNGS: readonly Rung[] = ["shadow", "advise", "live"];

export function LadderSteps({ rung }: { rung: Rung }) {
  return (
    <div class="ladder" role="group" aria-label={t("ladder.title")}>
      {RUNGS.map((one) => (
        <div key={one} aria-current={one === rung ? "step" : undefined}>
          {term("rung", one)}
        </div>
      ))}
    </div>
  );
}

export function LadderDialog() {
  const [domain, setDomain] = useState(ladder.value[0]?.domain ?? "signals");
  const [district, setDistrict] = useState("*");
  const [rung, setRung] = useState<Rung>("shadow");
  const [expiry, setExpiry] = useState("");
  const [error, setError] = useState<string | null>(null);
  const [told, setTold] = useState<string | null>(null);
  const domains = [...new Set([...ladder.value.map((r) => r.domain), "signals"])];
  const districts = city.value?.districts ?? [];

  const climb = async () => {
    setError(null);
    setTold(null);
    try {
      const answer = await send<{ change?: Change } | null>("POST", "/ladder", {
        domain,
        district,
        rung,
        expires_in_s: expiry ? Number(expiry) : null,
      });
      if (answer?.change) setTold(t("ladder.second_person"));
      else say(t("ladder.changed"), "good");
      void reload.ladder();
      void reload.changes();
      if (!answer?.change) close();
    } catch (problem) {
      setError(problem instanceof Error ? problem.message : String(problem));
    }
  };

  return (
    <Dialog title={t("ladder.title")} onClose={close}>
      <div class="stack">
        <p class="small soft">{t("ladder.note")}</p>
        <div class="tablewrap" tabIndex={0} role="group" aria-label={t("ladder.title")}>
          <table>
            <caption class="unseen">{t("ladder.title")}</caption>
            <thead>
              <tr>
                <th scope="col">{t("col.domain")}</th>
                <th scope="col">{t("col.district")}</th>
                <th scope="col">{t("ladder.rung")}</th>
                <th scope="col" class="num">
                  {t("why.agreement")}
                </th>
                <th scope="col">{t("ladder.expires")}</th>
              </tr>
            </thead>
            <tbody>
              {ladder.value.map((one) => (
                <tr key={`${one.domain}/${one.district}`}>
                  <td>{term("domain", one.domain)}</td>
                  <td>{one.district === "*" ? t("ladder.all") : districtName(one.district)}</td>
                  <td>{term("rung", one.rung)}</td>
                  <td class="num">{percent(one.agreement)}</td>
                  <td>{one.expires_at_ms ? clock(one.expires_at_ms) : t("ladder.never")}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
        <form
          class="stack"
          onSubmit={(event) => {
            event.preventDefault();
            void climb();
          }}
        >
          <div class="row">
            <label class="field">
              <span>{t("col.domain")}</span>
              <select value={domain} onChange={(event) => setDomain(event.currentTarget.value)}>
                {domains.map((one) => (
                  <option key={one} value={one}>
                    {term("domain", one)}
                  </option>
                ))}
              </select>
            </label>
            <label class="field">
              <span>{t("col.district")}</span>
              <select value={district} onChange={(event) => setDistrict(event.currentTarget.value)}>
                <option value="*">{t("ladder.all")}</option>
                {districts.map((one) => (
                  <option key={one.id} value={one.id}>
                    {districtName(one.id)}
                  </option>
                ))}
              </select>
            </label>
            <label class="field">
              <span>{t("hold.expiry")}</span>
              <select value={expiry} onChange={(event) => setExpiry(event.currentTarget.value)}>
                <option value="">{t("ladder.never")}</option>
                {[900, 3600, 14_400, 28_800].map((s) => (
                  <option key={s} value={s}>
                    {s < 3600 ? t("unit.min", { n: s / 60 }) : t("unit.hours", { n: s / 3600 })}
                  </option>
                ))}
              </select>
            </label>
          </div>
          <fieldset class="choice">
            <legend>{t("ladder.rung")}</legend>
            {RUNGS.map((one) => (
              <label key={one}>
                <input type="radio" name="rung" checked={rung === one} onChange={() => setRung(one)} />
                {term("rung", one)}
              </label>
            ))}
          </fieldset>
          <p class="small">{t(`rung_means.${rung}`)}</p>
          {!may("ladder.set") && <p class="note warn">{t("may.not", { role: t("role.engineer") })}</p>}
          {error && (
            <p class="note bad" role="alert">
              {error}
            </p>
          )}
          {told && (
            <p class="note accent" role="status">
              {told}
            </p>
          )}
          <div class="row">
            <button type="submit" class="btn main" disabled={!may("ladder.set")}>
              {t("ladder.set")}
            </button>
            <button type="button" class="btn" onClick={close}>
              {t("act.close")}
            </button>
          </div>
        </form>
      </div>
    </Dialog>
  );
}
