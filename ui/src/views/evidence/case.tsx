/** The two-minute case file: a place and a time in; lamps, units, reasons and sensor faults out, redacted for release. */
import { useState } from "preact/hooks";
import { get, withQuery } from "../../api/client";
import type { CaseFile } from "../../api/types";
import { stageName } from "../../charts/signal-charts";
import { Told } from "../../parts/why";
import { layout, nowMs } from "../../state/city";
import { route } from "../../state/route";
import { clock, t } from "../../words";

const KINDS = ["wait", "bin", "unit"] as const;

export function CaseTab() {
  const rows = layout.value?.junctions ?? [];
  const [junction, setJunction] = useState(rows[Number(route.value.query.junction ?? 0)]?.label ?? "");
  const [ago, setAgo] = useState("2");
  const [kind, setKind] = useState<(typeof KINDS)[number]>("wait");
  const [found, setFound] = useState<CaseFile | null>(null);
  const [path, setPath] = useState("");
  const [error, setError] = useState<string | null>(null);
  const row = rows.findIndex((j) => j.name === junction || j.label === junction);

  const ask = async () => {
    setError(null);
    setFound(null);
    if (row < 0) {
      setError(t("case.no_place", { text: junction }));
      return;
    }
    const at = Math.round(nowMs.value - Number(ago) * 60_000);
    const query = withQuery("/case-file", { junction: row, at_ms: at, kind, release: 1 });
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
          <label class="field">
            <span>{t("col.junction")}</span>
            <input type="text" list="case-junctions" required value={junction} onInput={(event) => setJunction(event.currentTarget.value)} />
          </label>
          <datalist id="case-junctions">
            {rows.map((j) => (
              <option key={j.name} value={j.label || j.name} />
            ))}
          </datalist>
          <label class="field">
            <span>{t("case.ago", { now: clock(nowMs.value) })}</span>
            <input type="number" min="0" max="10080" step="0.5" value={ago} onInput={(event) => setAgo(event.currentTarget.value)} />
          </label>
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
