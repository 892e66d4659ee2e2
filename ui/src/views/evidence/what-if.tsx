/** What-if: paired runs of the twin from a change, with progress, cancel, and a verdict in words. */
import { may, send } from "../../api/client";
import type { Job } from "../../api/types";
import { layout } from "../../state/city";
import { absent, jobs, reload, sayError } from "../../state/operations";
import { DataTable, type Column } from "../../parts/table";
import { BeginPart } from "./what-if-begin";
import { ghostOf, showGhost } from "../../state/ghost";
import { go } from "../../state/route";
import { figure, percent, t, term } from "../../words";
import { changeOf, countedOf } from "./what-if-change";
import { WhatIfForm } from "./what-if-form";
import { measureName } from "./score";

export function WhatIfTab() {
  return (
    <div class="panels">
      <WhatIfForm />
      <section class="panel" aria-labelledby="runs-title">
        <header>
          <h2 id="runs-title">{t("whatif.runs")}</h2>
        </header>
        {absent.value.has("jobs") ? (
          <p class="note">{t("whatif.absent")}</p>
        ) : jobs.value.length === 0 ? (
          <p class="soft small">{t("whatif.none")}</p>
        ) : (
          <ul class="stack">
            {jobs.value.map((job) => (
              <JobCard key={job.id} job={job} />
            ))}
          </ul>
        )}
      </section>
    </div>
  );
}

/** The same changes as the map's ghost, as a table, and the switch that draws them. */
function GhostPart({ job }: { job: Job }) {
  const ghost = job.result?.ghost;
  const edges = layout.value?.edges ?? [];
  const on = ghostOf.value === job.id;
  if (!ghost) return null;
  const columns: Column<[number, number]>[] = [
    { key: "edge", label: t("col.edge"), get: ([edge]) => edges[edge]?.name ?? edge },
    { key: "street", label: t("col.street"), get: ([edge]) => edges[edge]?.street },
    { key: "change", label: t("whatif.lost"), numeric: true, get: ([, change]) => change, show: ([, change]) => `${change > 0 ? "+" : "−"}${figure(Math.abs(change))}` },
  ];
  return (
    <div class="stack">
      <div class="row">
        <button type="button" class="btn slim" aria-pressed={on} onClick={() => showGhost(on ? null : job)}>
          {t(on ? "whatif.ghost_off" : "whatif.ghost_on")}
        </button>
        {on && (
          <button type="button" class="btn slim" onClick={() => go("city")}>
            {t("whatif.to_map")}
          </button>
        )}
      </div>
      <details>
        <summary>{t("whatif.ghost_table", { n: ghost.edges.length })}</summary>
        <DataTable caption={t("whatif.ghost_table", { n: ghost.edges.length })} columns={columns} rows={ghost.edges} rowKey={([edge]) => edge} page={25} />
      </details>
    </div>
  );
}

function JobCard({ job }: { job: Job }) {
  const going = job.status === "running" || job.status === "queued";
  const cancel = async () => {
    try {
      await send("DELETE", `/jobs/${encodeURIComponent(job.id)}`);
      await reload.jobs();
    } catch (problem) {
      sayError(problem);
    }
  };
  return (
    <li class={`note ${job.status === "failed" ? "bad" : job.status === "done" ? "good" : ""}`}>
      <div class="row">
        <b class="grow">{changeOf(job)}</b>
        <span class="tag">{term("job", job.status)}</span>
        {going && (
          <button type="button" class="btn slim" disabled={!may("jobs.cancel")} onClick={() => void cancel()}>
            {t("act.cancel")}
          </button>
        )}
      </div>
      <p class="small soft">
        {t("whatif.run_of", { minutes: figure(job.spec.minutes), seeds: job.spec.seeds.join(", ") })}
        {job.status !== "done" && job.text !== job.status && <> · {job.text}</>}
        {job.result && <> · {countedOf(job)}</>}
      </p>
      {going && (
        <div class="row">
          <progress class="grow" value={job.progress} max={1} aria-label={t("whatif.progress")} />
          <span class="num">{percent(job.progress)}</span>
        </div>
      )}
      {job.result?.closure && (
        <p class="small">
          {t("whatif.closure", {
            rerouted: figure(job.result.closure.rerouted_veh),
            cannot: figure(job.result.closure.cannot_veh),
            total: figure(job.result.closure.total_veh),
          })}
        </p>
      )}
      {job.result && (job.result.start ? <BeginPart start={job.result.start} /> : <p class="small soft">{t("whatif.empty_begin")}</p>)}
      {job.result && (
        <ul>
          {Object.entries(job.result.paired).map(([measure, paired]) => (
            <li key={measure}>
              {measureName(measure)}: <b>{term("paired", paired.verdict)}</b>{" "}
              <span class="soft">
                {t("score.line", { mean: figure(paired.mean), low: figure(paired.low), high: figure(paired.high) })}
              </span>
            </li>
          ))}
        </ul>
      )}
      {job.result?.ghost && <GhostPart job={job} />}
    </li>
  );
}
