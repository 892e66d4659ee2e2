/** The scorecard: gains only from paired runs, in words and with intervals; sensed figures beside them, never as gains. */
import type { Paired, Scorecard } from "../../api/types";
import { useFetched } from "../../parts/fetched";
import { DataTable } from "../../parts/table";
import { jobs } from "../../state/operations";
import { figure, hasTerm, t, term } from "../../words";
import { changeOf } from "./what-if-change";

interface Line {
  key: string;
  measure: string;
  paired: Paired;
  run: string;
}

export function ScoreTab() {
  const { value, error } = useFetched<Scorecard>("/scorecard?window_s=3600", 10_000);
  const lines: Line[] = jobs.value
    .filter((job) => job.status === "done" && job.result)
    .flatMap((job) =>
      Object.entries(job.result?.paired ?? {}).map(([measure, paired]) => ({
        key: `${job.id}/${measure}`,
        measure,
        paired,
        run: changeOf(job),
      })),
    );
  const groups = [
    ["better", "score.wins", "✓"],
    ["worse", "score.losses", "✗"],
    ["no clear difference", "score.none", "≈"],
  ] as const;
  return (
    <div class="panels">
      <section class="panel wide" aria-labelledby="paired-title">
        <header>
          <h2 id="paired-title">{t("score.paired")}</h2>
        </header>
        <p class="small soft">{t("score.paired_note")}</p>
        {lines.length === 0 ? (
          <p class="note">{t("score.no_runs")}</p>
        ) : (
          <div class="scoregrid">
            {groups.map(([verdict, word, mark]) => {
              const mine = lines.filter((line) => line.paired.verdict === verdict);
              return (
                <section key={verdict} aria-label={t(word)}>
                  <h3 class={`verdict ${verdict === "better" ? "win" : verdict === "worse" ? "loss" : "none"}`}>
                    <span aria-hidden="true">{mark}</span> {t(word)} ({mine.length})
                  </h3>
                  {mine.length === 0 && <p class="soft small">{t("score.nothing")}</p>}
                  <ul class="stack">
                    {mine.map((line) => (
                      <li key={line.key}>
                        <b>{measureName(line.measure)}</b>{" "}
                        {t("score.line", {
                          mean: figure(line.paired.mean),
                          low: figure(line.paired.low),
                          high: figure(line.paired.high),
                        })}
                        <div class="soft tiny">{line.run}</div>
                      </li>
                    ))}
                  </ul>
                </section>
              );
            })}
          </div>
        )}
      </section>
      <section class="panel wide" aria-labelledby="sensed-title">
        <header>
          <h2 id="sensed-title">{t("score.sensed")}</h2>
        </header>
        {error ? (
          <p class="note">{error.absent ? t("score.absent") : error.message}</p>
        ) : (
          <DataTable
            caption={t("score.sensed")}
            rows={value?.figures ?? []}
            empty={value ? undefined : t("load.waiting")}
            rowKey={(row) => row.key}
            columns={[
              { key: "label", label: t("col.figure"), get: (row) => (hasTerm("figure", row.key) ? term("figure", row.key) : row.label) },
              { key: "value", label: t("col.value"), numeric: true, get: (row) => row.value, show: (row) => `${figure(row.value)} ${term("unitname", row.unit)}` },
              {
                key: "range",
                label: t("col.interval"),
                numeric: true,
                get: (row) => row.low,
                show: (row) => (row.low === null ? t("score.no_interval") : `${figure(row.low)} – ${figure(row.high)}`),
              },
              { key: "better", label: t("col.better"), get: (row) => t(row.better === "less" ? "better.less" : row.better === "more" ? "better.more" : "better.neither") },
              { key: "source", label: t("col.source"), get: (row) => term("source", row.source) },
            ]}
          />
        )}
        {value && <p class="tiny soft">{t("score.note")}</p>}
      </section>
    </div>
  );
}

export function measureName(key: string): string {
  return hasTerm("measure", key) ? term("measure", key) : key.replaceAll("_", " ");
}
