/** Changes that take two people: asked for by one, seconded or turned down by another. */
import { may, send } from "../../api/client";
import type { Change } from "../../api/types";
import { absent, changes, reload, sayError } from "../../state/operations";
import { t, term } from "../../words";

export function ApprovalsTab() {
  const act = async (change: Change, what: "approve" | "reject") => {
    try {
      await send("POST", `/changes/${encodeURIComponent(change.id)}/${what}`, {});
      await reload.changes();
      await reload.ladder();
    } catch (problem) {
      sayError(problem);
    }
  };
  return (
    <div class="panels">
      <section class="panel wide" aria-labelledby="approvals-title">
        <header>
          <h2 id="approvals-title">{t("tab.approvals")}</h2>
        </header>
        <p class="small soft">{t("approvals.note")}</p>
        {absent.value.has("changes") ? (
          <p class="note">{t("approvals.absent")}</p>
        ) : changes.value.length === 0 ? (
          <p class="soft small">{t("approvals.none")}</p>
        ) : (
          <ul class="stack">
            {changes.value.map((change) => (
              <li key={change.id} class="note">
                <div class="row">
                  <b class="grow">
                    {term("change", change.kind)} <span class="soft">{change.why}</span>
                  </b>
                  <span class="tag">{term("changestatus", change.status)}</span>
                  <button type="button" class="btn slim" disabled={!may("changes.approve")} onClick={() => void act(change, "approve")}>
                    {t("approvals.approve")}
                  </button>
                  <button type="button" class="btn slim" disabled={!may("changes.reject")} onClick={() => void act(change, "reject")}>
                    {t("approvals.reject")}
                  </button>
                </div>
                <p class="soft tiny">
                  {t("hold.by", { who: change.by })} · <span class="mono">{JSON.stringify(change.body ?? {})}</span>
                </p>
              </li>
            ))}
          </ul>
        )}
      </section>
    </div>
  );
}
