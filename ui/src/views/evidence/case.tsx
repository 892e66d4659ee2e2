/** The two-minute case file: a place and a time in; lamps, units, reasons and sensor faults out, redacted for release. */
import { useState } from "preact/hooks";
import { get, withQuery } from "../../api/client";
import type { CaseFile } from "../../api/types";
import { stageName } from "../../charts/signal-charts";
import { useFetched } from "../../parts/fetched";
import { Told } from "../../parts/why";
import { layout, nowMs } from "../../state/city";
import { route } from "../../state/route";
import type { Service } from "../../state/services";
import { clock, t } from "../../words";

const KINDS = ["wait", "bin", "unit"] as const;
const USUAL_AGO_MS = 120_000;
const DAY_S = 86_400;

/** The last instant at which the city's clocks showed a time, so many days earlier. */
function instantOf(time: string, days: number): number {
  const seconds = (text: string) => text.split(":").reduce((sum, part, i) => sum + Number(part) * [3600, 60, 1][i], 0);
  const ago = (((seconds(clock(nowMs.value)) - seconds(time)) % DAY_S) + DAY_S) % DAY_S;
  return Math.round(nowMs.value - (ago + days * DAY_S) * 1000);
}

export function CaseTab() {
  const rows = layout.value?.junctions ?? [];
  const [junction, setJunction] = useState(rows[Number(route.value.query.junction ?? 0)]?.label ?? "");
  const [time, setTime] = useState(clock(nowMs.value - USUAL_AGO_MS));
  const [days, setDays] = useState("0");
  const [call, setCall] = useState("");
  const [bin, setBin] = useState("");
  const [kind, setKind] = useState<(typeof KINDS)[number]>("wait");
  const [found, setFound] = useState<CaseFile | null>(null);
  const [path, setPath] = useState("");
  const [error, setError] = useState<string | null>(null);
  const bins = useFetched<Service>(kind === "bin" ? "/refuse" : null).value?.names.containers ?? [];
  const row = rows.findIndex((j) => j.name === junction || j.label === junction);

  const ask = async () => {
    setError(null);
    setFound(null);
    const container = bins.indexOf(bin);
    if (kind === "wait" && row < 0) {
      setError(t("case.no_place", { text: junction }));
      return;
    }
    if (kind === "bin" && container < 0) {
      setError(t("case.no_bin", { text: bin }));
      return;
    }
    const at = instantOf(time, Number(days));
    const place = kind === "wait" ? { junction: row } : kind === "bin" ? { container } : { call };
    const query = withQuery("/case-file", { ...place, at_ms: at, kind, release: 1 });
    try {
      setFound(await get<CaseFile>(query));
      setPath(query);
    } catch (problem) {
      setError(problem instanceof Error ? problem.message : String(problem));
    }
  };

  return (
    <div class="panels">
      <form
        class="panel"
        onSubmit={(event) => {
          event.preventDefault();
          void ask();
        }}
      >
        <header>
          <h2>{t("tab.case")}</h2>
        </header>
        <div class="stack">
          <p class="small soft">{t("case.note")}</p>
          <fieldset class="choice">
            <legend>{t("case.question")}</legend>
            {KINDS.map((one) => (
              <label key={one}>
                <input type="radio" name="kind" checked={kind === one} onChange={() => setKind(one)} />
                {t(`case.${one}`)}
              </label>
            ))}
          </fieldset>
          {kind === "wait" && (
            <label class="field">
              <span>{t("col.junction")}</span>
              <input type="text" list="case-junctions" required value={junction} onInput={(event) => setJunction(event.currentTarget.value)} />
            </label>
          )}
          {kind === "bin" && (
            <label class="field">
              <span>{t("case.container")}</span>
              <input type="text" list="case-bins" required value={bin} onInput={(event) => setBin(event.currentTarget.value)} />
            </label>
          )}
          {kind === "unit" && (
            <label class="field">
              <span>{t("case.call")}</span>
              <input type="number" min="0" step="1" value={call} onInput={(event) => setCall(event.currentTarget.value)} />
            </label>
          )}
          <datalist id="case-bins">
            {bins.map((name) => (
              <option key={name} value={name} />
            ))}
          </datalist>
          <datalist id="case-junctions">
            {rows.map((j) => (
              <option key={j.name} value={j.label || j.name} />
            ))}
          </datalist>
          <div class="row">
            <label class="field">
              <span>{t("case.time", { now: clock(nowMs.value) })}</span>
              <input type="text" class="mono" size={8} required pattern="([01]?[0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9])?" value={time} onInput={(event) => setTime(event.currentTarget.value)} />
            </label>
            <label class="field short">
              <span>{t("case.days")}</span>
              <input type="number" min="0" max="365" step="1" value={days} onInput={(event) => setDays(event.currentTarget.value)} />
            </label>
          </div>
          {error && (
            <p class="note bad" role="alert">
              {error}
            </p>
          )}
          <div class="row">
            <button type="submit" class="btn main">
              {t("case.make")}
            </button>
          </div>
        </div>
      </form>
      {found && (
        <article class="panel" aria-label={found.title}>
          <header>
            <h2>
              <Told text={found.title} />
            </h2>
            <a class="btn slim" href={`/api/v1${path}&format=html`} target="_blank" rel="noopener">
              {t("case.page")}
            </a>
          </header>
          <div class="stack" lang="en">
            <ul class="stack">
              {found.plain.map((sentence, i) => (
                <li key={i}>{sentence}</li>
              ))}
            </ul>
            <dl class="facts">
              <dt lang="">{t("case.decisions")}</dt>
              <dd>{found.decisions.length}</dd>
              <dt lang="">{t("case.units")}</dt>
              <dd>{found.units.length}</dd>
              <dt lang="">{t("case.faults")}</dt>
              <dd>{found.sensor_faults.length}</dd>
              <dt lang="">{t("case.redacted")}</dt>
              <dd>{found.redacted.join("; ") || "–"}</dd>
              <dt lang="">{t("case.digest")}</dt>
              <dd class="mono tiny">{found.digest}</dd>
            </dl>
            {found.units.length > 0 && (
              <ul class="stack small">
                {found.units.map((one) => (
                  <li key={one.unit}>
                    <b>{one.unit}</b>: {one.status.map(([at, what]) => `${clock(at)} ${what}`).join(", ")}
                  </li>
                ))}
              </ul>
            )}
            <Decided decisions={found.decisions} />
          </div>
        </article>
      )}
    </div>
  );
}

function Decided({ decisions }: { decisions: CaseFile["decisions"] }) {
  return (
    <ol class="stack small">
      {decisions.slice(0, 60).map((d) => (
        <li key={d.id}>
          <span class="mono">{clock(d.decided_at_ms)}</span> {d.action.stage != null ? stageName(d.action.stage) : d.action.kind}: {d.plain || d.reason.text}
        </li>
      ))}
    </ol>
  );
}
