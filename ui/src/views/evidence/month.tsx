/** Months of the city's own records: the certificate of calibration, and the shadow back-test signal by signal. */
import type { Month, Page } from "../../api/types";
import { Absent } from "../../parts/absent";
import { useFetched } from "../../parts/fetched";
import { DataTable, type Column } from "../../parts/table";
import { Told } from "../../parts/why";
import { dayAndClock, figure, number, percent, t, term } from "../../words";

export function MonthTab() {
  const { value, error } = useFetched<Page<Month>>("/months", 30_000);
  if (error) return <Absent icon="evidence" title={error.message} />;
  if (!value) return <Absent icon="evidence" title={t("load.waiting")} />;
  if (value.items.length === 0) {
    return (
      <Absent icon="evidence" title={t("month.none")}>
        <p>{t("month.how")}</p>
        <pre class="mono small">cityloop month FILES --zone Europe/Berlin --out DATA/months/NAME</pre>
      </Absent>
    );
  }
  return (
    <div class="panels">
      {value.items.map((month) => (
        <One key={month.name} month={month} />
      ))}
    </div>
  );
}

function One({ month }: { month: Month }) {
  const title = `${t("tab.month")}: ${month.name}`;
  if (month.fault) {
    return (
      <section class="panel wide" aria-label={title}>
        <h2>{title}</h2>
        <p class="note bad">{month.fault}</p>
      </section>
    );
  }
  const rates: Column<Month["rates"][number]>[] = [
    { key: "kind", label: t("month.records"), get: (one) => term("records", one.kind) },
    { key: "rows", label: t("month.rows"), numeric: true, get: (one) => one.rows, show: (one) => number(one.rows) },
    { key: "held", label: t("month.held_out"), numeric: true, get: (one) => one.checked_days },
    { key: "bias", label: t("calibration.bias"), numeric: true, get: (one) => one.bias, show: (one) => figure(one.bias) },
    { key: "mae", label: t("calibration.mae"), numeric: true, get: (one) => one.mae, show: (one) => figure(one.mae) },
    { key: "mase", label: t("month.mase"), numeric: true, get: (one) => one.mase, show: (one) => figure(one.mase) },
    {
      key: "coverage",
      label: t("month.covered"),
      numeric: true,
      get: (one) => one.coverage,
      show: (one) => t("month.of_claimed", { covered: percent(one.coverage), claimed: percent(one.nominal) }),
    },
    { key: "verdict", label: t("col.verdict"), get: (one) => t(one.calibrated ? "month.calibrated" : "month.not_calibrated") },
  ];
  const signals: Column<Month["signals"][number]>[] = [
    { key: "name", label: t("col.junction"), get: (one) => one.name },
    { key: "recorded", label: t("month.recorded"), numeric: true, get: (one) => one.recorded_s, show: (one) => figure(one.recorded_s) },
    { key: "brain", label: t("month.brain"), numeric: true, get: (one) => one.brain_s, show: (one) => figure(one.brain_s) },
    {
      key: "difference",
      label: t("month.difference"),
      numeric: true,
      get: (one) => one.difference_s,
      show: (one) =>
        one.low_s === null || one.high_s === null
          ? figure(one.difference_s)
          : t("score.line", { mean: figure(one.difference_s), low: figure(one.low_s), high: figure(one.high_s) }),
    },
    { key: "unsure", label: t("month.unsure"), numeric: true, get: (one) => one.unsure, show: (one) => `${one.unsure} / ${one.hours}` },
    { key: "verdict", label: t("col.verdict"), get: (one) => one.verdict ?? one.why_not, show: (one) => <Told text={one.verdict ?? one.why_not} /> },
  ];
  return (
    <section class="panel wide" aria-label={title}>
      <header>
        <h2>{title}</h2>
        <a href={`/api/v1/months/${encodeURIComponent(month.name)}`} target="_blank" rel="noopener">
          {t("month.page")}
        </a>
      </header>
      <p class="small soft">
        {t("month.span", { begin: month.begin, end: month.end, days: month.days, whole: month.whole_days, aside: number(month.set_aside), made: dayAndClock(month.made_ms) })}
      </p>
      {month.warnings.map((warning) => (
        <p key={warning} class="note warn small">
          <Told text={warning} />
        </p>
      ))}
      <h3>{t("month.certificate")}</h3>
      <DataTable caption={t("month.certificate")} columns={rates} rows={month.rates} rowKey={(one) => one.kind} />
      {month.signals.length > 0 && (
        <>
          <h3>{t("month.back_test")}</h3>
          <DataTable caption={t("month.back_test")} columns={signals} rows={month.signals} rowKey={(one) => one.name} page={20} />
          <p class="small soft">{t("month.no_proof")}</p>
        </>
      )}
    </section>
  );
}
