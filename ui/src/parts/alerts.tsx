/** Alerts: what is wrong, where, since when, and whose it is. */
import { may, send } from "../api/client";
import type { Alert } from "../api/types";
import { layout } from "../state/city";
import { absent, alerts, reload, sayError } from "../state/operations";
import { href, route } from "../state/route";
import { clock, hasTerm, t, term } from "../words";
import { Told } from "./why";

export function openAlerts(): Alert[] {
  return alerts.value
    .filter((alert) => alert.status !== "resolved")
    .sort((a, b) => a.severity - b.severity || b.since_ms - a.since_ms);
}

async function act(alert: Alert, what: string, body?: unknown): Promise<void> {
  try {
    await send("POST", `/alerts/${encodeURIComponent(alert.id)}/${what}`, body ?? {});
    await reload.alerts();
  } catch (problem) {
    sayError(problem);
  }
}

export function AlertList() {
  if (absent.value.has("alerts")) return <p class="soft small">{t("alerts.absent")}</p>;
  const shown = openAlerts();
  if (!shown.length) return <p class="soft small">{t("alerts.none")}</p>;
  return (
    <ul class="stack">
      {shown.map((alert) => (
        <AlertCard key={alert.id} alert={alert} />
      ))}
    </ul>
  );
}

function AlertCard({ alert }: { alert: Alert }) {
  const tone = alert.severity === 1 ? "bad" : alert.severity === 2 ? "warn" : "";
  const { junction } = alert.place;
  const chosen = route.value.query.alert === alert.id;
  return (
    <li class={`note ${tone} ${chosen ? "chosen" : ""}`}>
      <div class="row">
        <span class={`tag ${tone}`}>
          <span aria-hidden="true">{alert.severity === 1 ? "▲" : alert.severity === 2 ? "◆" : "●"}</span>
          {t(`severity.${alert.severity}`)}
        </span>
        <b class="grow">{hasTerm("alertkind", alert.kind) ? term("alertkind", alert.kind) : alert.kind}</b>
        {alert.count > 1 && <span class="tag">{t("alerts.count", { n: alert.count })}</span>}
      </div>
      <p>
        <Told text={alert.text} />
      </p>
      <p class="soft tiny">
        {junction !== null && junction !== undefined && (
          <>
            <a href={href("signals", junction)}>{layout.value?.junctions[junction]?.label || junction}</a>
            {" · "}
          </>
        )}
        {t("alerts.since", { at: clock(alert.since_ms) })}
        {alert.owner && ` · ${t("alerts.owner", { who: alert.owner })}`}
        {alert.acknowledged_by && ` · ${t("alerts.seen_by", { who: alert.acknowledged_by })}`}
        {alert.escalated && ` · ${t("alerts.escalated")}`}
      </p>
      <div class="row">
        {alert.status === "open" && (
          <button
            type="button"
            class="btn slim"
            disabled={!may("alerts.acknowledge")}
            onClick={() => void act(alert, "acknowledge")}
          >
            {t("alerts.acknowledge")}
          </button>
        )}
        {!alert.work_order && (
          <button type="button" class="btn slim" disabled={!may("alerts.work-order")} onClick={() => void act(alert, "work-order")}>
            {t("alerts.work_order")}
          </button>
        )}
        {alert.work_order && <span class="tag good">{t("alerts.ordered")}</span>}
        <button
          type="button"
          class="btn slim"
          disabled={!may("alerts.resolve")}
          onClick={() => void act(alert, "resolve", { note: "" })}
        >
          {t("alerts.resolve")}
        </button>
      </div>
    </li>
  );
}
