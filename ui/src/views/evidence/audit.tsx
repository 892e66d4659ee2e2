/** The audit log: who did what, chained so that nothing can be taken out unseen. */
import { useState } from "preact/hooks";
import { get, withQuery } from "../../api/client";
import type { AuditEntry, Page } from "../../api/types";
import { Absent } from "../../parts/absent";
import { useFetched } from "../../parts/fetched";
import { DataTable } from "../../parts/table";
import { dayAndClock, number, t } from "../../words";

export function AuditTab() {
  const [cursor, setCursor] = useState("");
  const { value, error } = useFetched<Page<AuditEntry>>(withQuery("/audit", { limit: 200, cursor }), cursor ? 0 : 10_000);
  const [verified, setVerified] = useState<{ ok: boolean; entries: number; head: string } | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  const verify = async () => {
    setProblem(null);
    try {
      setVerified(await get("/audit/verify"));
    } catch (failure) {
      setProblem(failure instanceof Error ? failure.message : String(failure));
    }
  };
  if (error) return <Absent icon="evidence" title={error.absent ? t("audit.absent") : error.message} />;
  return (
    <div class="panels">
      <section class="panel wide" aria-labelledby="audit-title">
        <header>
          <h2 id="audit-title">{t("tab.audit")}</h2>
          <div class="row">
            {value?.next && (
              <button type="button" class="btn slim" onClick={() => setCursor(value.next ?? "")}>
                {t("log.older")}
              </button>
            )}
            <button type="button" class="btn slim" onClick={() => void verify()}>
              {t("audit.verify")}
            </button>
          </div>
        </header>
        {verified && (
          <p class={`note ${verified.ok ? "good" : "bad"}`} role="status">
            {t(verified.ok ? "audit.whole" : "audit.broken", { n: number(verified.entries) })}{" "}
            <span class="mono tiny">{verified.head}</span>
          </p>
        )}
        {problem && (
          <p class="note bad" role="alert">
            {problem}
          </p>
        )}
        <DataTable
          caption={t("tab.audit")}
          rows={value?.items ?? []}
          rowKey={(entry) => entry.seq}
          filter
          columns={[
            { key: "seq", label: t("audit.seq"), numeric: true, get: (entry) => entry.seq },
            { key: "at", label: t("col.time"), get: (entry) => entry.at_ms, show: (entry) => dayAndClock(entry.at_ms) },
            { key: "who", label: t("audit.who"), get: (entry) => entry.who },
            { key: "role", label: t("audit.role"), get: (entry) => (Array.isArray(entry.role) ? entry.role.join(", ") : entry.role) },
            { key: "act", label: t("audit.act"), get: (entry) => entry.act },
            { key: "target", label: t("audit.target"), get: (entry) => entry.target },
            { key: "detail", label: t("audit.detail"), get: (entry) => detailOf(entry.detail) },
            { key: "hash", label: t("audit.hash"), get: (entry) => entry.hash, show: (entry) => <span class="mono tiny">{entry.hash.slice(0, 12)}</span> },
          ]}
        />
      </section>
    </div>
  );
}

function detailOf(detail: unknown): string {
  if (typeof detail === "string") return detail;
  const text = JSON.stringify(detail ?? {});
  return text === "{}" ? "" : text;
}
