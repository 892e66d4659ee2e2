/** Holds and releases in force, each with the time that it has left. */
import { may } from "../api/client";
import { stageName } from "../charts/signal-charts";
import { layout, nowMs } from "../state/city";
import { holds } from "../state/operations";
import { href } from "../state/route";
import { clock, span, t, term } from "../words";
import { lift } from "./hold-dialog";

export function HoldsList({ row }: { row?: number }) {
  const active = holds.value.filter((h) => h.status === "active" && (row === undefined || h.junction === row));
  if (active.length === 0) return <p class="soft small">{t("holds.none")}</p>;
  return (
    <ul class="stack">
      {active.map((hold) => (
        <li key={hold.id} class="note warn">
          <div class="row">
            <b class="grow">
              {t(`holdkind.${hold.kind}`)}
              {hold.stage !== null && hold.kind === "hold" ? ` · ${stageName(hold.stage)}` : ""}
            </b>
            <button type="button" class="btn slim" disabled={!may("holds.place")} onClick={() => void lift(hold)}>
              {t("act.lift")}
            </button>
          </div>
          {row === undefined && (
            <a href={href("signals", hold.junction)}>{layout.value?.junctions[hold.junction]?.label ?? hold.junction}</a>
          )}
          <div>
            {t("hold.until", { until: clock(hold.expires_at_ms), left: span((hold.expires_at_ms - nowMs.value) / 1000) })}
            {" · "}
            {t("hold.by", { who: hold.by })}
            {hold.receipt ? ` · ${term("receipt", hold.receipt.status)}` : ""}
          </div>
          {hold.why && <div class="soft">{hold.why}</div>}
        </li>
      ))}
    </ul>
  );
}
