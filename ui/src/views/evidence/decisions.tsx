/** The decision log: every decision, kept by time, each with its why. */
import { useState } from "preact/hooks";
import type { Decision, Page } from "../../api/types";
import { Absent } from "../../parts/absent";
import { useFetched } from "../../parts/fetched";
import { DataTable, type Column } from "../../parts/table";
import { measure, observation } from "../../parts/measured";
import { actionOf, reasonOf, ruleOf, Why } from "../../parts/why";
import { withQuery } from "../../api/client";
import { layout } from "../../state/city";
import { go, route } from "../../state/route";
import { clock, figure, t, term } from "../../words";

export function DecisionsTab() {
  const [changesOnly, setChangesOnly] = useState(true);
  const [junction, setJunction] = useState("");
  const [cursor, setCursor] = useState("");
  const id = route.value.query.id ?? "";
  const rows = layout.value?.junctions ?? [];
  const row = rows.findIndex((j) => j.name === junction || j.label === junction);
  const path = withQuery("/decisions", {
    limit: 200,
    changes: changesOnly ? 1 : null,
    junction: row >= 0 ? row : null,
    cursor,
  });
  const { value, error } = useFetched<Page<Decision>>(path, cursor ? 0 : 5000);
  const { value: one, error: gone } = useFetched<Decision>(id ? `/decisions/${encodeURIComponent(id)}` : null, 5000);
  const columns: Column<Decision>[] = [
    { key: "at", label: t("col.time"), get: (d) => d.decided_at_ms, show: (d) => <span class="mono">{clock(d.decided_at_ms)}</span> },
    { key: "domain", label: t("col.domain"), get: (d) => term("domain", d.domain) },
    { key: "junction", label: t("col.place"), get: (d) => d.junction },
    { key: "action", label: t("why.chose_short"), get: (d) => actionOf(d) },
    { key: "reason", label: t("col.reason"), get: (d) => reasonOf(d) },
    { key: "verdict", label: t("col.verdict"), get: (d) => term("verdict", d.verdict.kind) + (d.verdict.rule ? `: ${ruleOf(d.verdict.rule)}` : "") },
    { key: "gain", label: t("col.gain"), numeric: true, get: (d) => d.gain, show: (d) => figure(d.gain) },
    { key: "forecast", label: t("why.forecast"), numeric: true, get: (d) => d.forecast?.value, show: (d) => measure(d, d.forecast?.value) },
    {
      key: "observed",
      label: t("why.observed"),
      numeric: true,
      get: (d) => d.observed?.value,
      show: observation,
    },
  ];
  return (
    <div class="log">
      <div class="logtable">
        <div class="row">
          <label class="row">
            <input type="checkbox" checked={changesOnly} onChange={(event) => setChangesOnly(event.currentTarget.checked)} />
            {t("log.changes")}
          </label>
          <label class="row">
            {t("col.junction")}
            <input
              type="text"
              list="junction-names"
              value={junction}
              onInput={(event) => {
                setJunction(event.currentTarget.value);
                setCursor("");
              }}
            />
          </label>
          <datalist id="junction-names">
            {rows.map((j) => (
              <option key={j.name} value={j.label || j.name} />
            ))}
          </datalist>
          {cursor && (
            <button type="button" class="btn slim" onClick={() => setCursor("")}>
              {t("log.newest")}
            </button>
          )}
          {value?.next && (
            <button type="button" class="btn slim" onClick={() => setCursor(value.next ?? "")}>
              {t("log.older")}
            </button>
          )}
        </div>
        {error ? (
          <Absent icon="evidence" title={error.absent ? t("log.absent") : error.message} />
        ) : (
          <DataTable
            caption={t("tab.decisions")}
            columns={columns}
            rows={value?.items ?? []}
            rowKey={(d) => d.id}
            selected={id}
            filter
            empty={value ? t("log.empty") : t("load.waiting")}
            onPick={(d) => go("evidence", "decisions", { id: d.id })}
          />
        )}
      </div>
      <aside class="logwhy" aria-label={t("why.title")}>
        {one ? (
          <Why decision={one} />
        ) : (
          <p class="note">{gone ? (gone.absent ? t("route.missing") : gone.message) : t("log.pick")}</p>
        )}
      </aside>
    </div>
  );
}
