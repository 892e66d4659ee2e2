/** How many decisions could be held against what was observed, by domain, and how far the services' forecasts were out. */
import type { DecisionCalibration, ServiceForecast, ToldShare } from "../../api/types";
import { DataTable, type Column } from "../../parts/table";
import { figure, number, percent, span, t, term } from "../../words";

type Line = ToldShare & { domain: string };

export function Shares({ value }: { value: DecisionCalibration }) {
  const lines: Line[] = Object.entries(value.by_domain).map(([domain, share]) => ({ domain, ...share }));
  const of = (count: number, all: number) => (all ? `${number(count)} (${percent(count / all)})` : "–");
  const columns: Column<Line>[] = [
    { key: "domain", label: t("col.domain"), get: (one) => term("domain", one.domain) },
    { key: "decisions", label: t("share.decisions"), numeric: true, get: (one) => one.decisions },
    { key: "reason", label: t("share.reason"), numeric: true, get: (one) => one.reason, show: (one) => of(one.reason, one.decisions) },
    { key: "forecast", label: t("share.forecast"), numeric: true, get: (one) => one.forecast, show: (one) => of(one.forecast, one.decisions) },
    { key: "due", label: t("share.due"), numeric: true, get: (one) => one.due },
    { key: "value", label: t("share.value"), numeric: true, get: (one) => one.value, show: (one) => of(one.value, one.due) },
    { key: "overtaken", label: t("share.overtaken"), numeric: true, get: (one) => one.overtaken, show: (one) => of(one.overtaken, one.due) },
    { key: "cut", label: t("share.cut"), numeric: true, get: (one) => one.cut },
  ];
  const show = (one: ServiceForecast, amount: number | null) =>
    amount === null ? "–" : one.unit === "s" ? `${amount < 0 ? "−" : ""}${span(Math.abs(amount))}` : figure(amount);
  const services: Column<ServiceForecast>[] = [
    { key: "kind", label: t("share.kind"), get: (one) => term("expects_of", one.kind) },
    { key: "n", label: t("share.n"), numeric: true, get: (one) => one.n, show: (one) => `${number(one.n)} / ${number(one.decisions)}` },
    { key: "forecast", label: t("why.forecast"), numeric: true, get: (one) => one.forecast, show: (one) => show(one, one.forecast) },
    { key: "observed", label: t("why.observed"), numeric: true, get: (one) => one.observed, show: (one) => show(one, one.observed) },
    { key: "bias", label: t("calibration.bias"), numeric: true, get: (one) => one.bias, show: (one) => show(one, one.bias) },
    { key: "mae", label: t("calibration.mae"), numeric: true, get: (one) => one.mae, show: (one) => show(one, one.mae) },
    { key: "beyond", label: t("share.beyond"), numeric: true, get: (one) => one.beyond },
    { key: "overtaken", label: t("share.overtaken"), numeric: true, get: (one) => one.overtaken },
    { key: "pending", label: t("why.pending_short"), numeric: true, get: (one) => one.pending },
  ];
  return (
    <>
      <section class="panel" aria-label={t("share.title")}>
        <h2>{t("share.title")}</h2>
        <DataTable caption={t("share.title")} columns={columns} rows={lines} rowKey={(one) => one.domain} />
        <p class="small soft">{t("share.note")}</p>
      </section>
      {value.services.length > 0 && (
        <section class="panel wide" aria-label={t("share.services")}>
          <h2>{t("share.services")}</h2>
          <DataTable caption={t("share.services")} columns={services} rows={value.services} rowKey={(one) => one.kind} />
        </section>
      )}
    </>
  );
}
