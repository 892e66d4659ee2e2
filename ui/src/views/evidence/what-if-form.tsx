/** What to change in a what-if: a street, the demand, an ambulance, a plan, or who leads; and over which minutes. */
import { useState } from "preact/hooks";
import { may, send } from "../../api/client";
import type { WhatIfChoices } from "../../api/types";
import { stageName } from "../../charts/signal-charts";
import { useFetched } from "../../parts/fetched";
import { layout } from "../../state/city";
import { reload } from "../../state/operations";
import { route } from "../../state/route";
import { t } from "../../words";
import { armName } from "../../words/arms";

const PLAN_ARM = "fixed-tuned";
const LED_NOW = "now";
const MOST_NAMES = 4000;

interface PlanForm {
  junction: number;
  greens: string[];
  offset: string;
}

export function WhatIfForm() {
  const { value: choices } = useFetched<WhatIfChoices>("/jobs/choices");
  const [street, setStreet] = useState(route.value.query.close ?? "");
  const [demand, setDemand] = useState("1");
  const [unit, setUnit] = useState("");
  const [plan, setPlan] = useState<PlanForm | null>(null);
  const [arms, setArms] = useState<{ baseline: string; control: string } | null>(null);
  const [minutes, setMinutes] = useState("10");
  const [seeds, setSeeds] = useState("11,12,13");
  const [begin, setBegin] = useState<"now" | "start">("now");
  const [error, setError] = useState<string | null>(null);
  const edges = layout.value?.edges ?? [];
  const nothing = choices?.arms.length === 0;
  const usual = begin === "now" ? LED_NOW : PLAN_ARM;
  const led = plan ? { baseline: PLAN_ARM, control: PLAN_ARM } : (arms ?? { baseline: usual, control: usual });
  const offered = (choices?.arms ?? []).filter((arm) => begin === "now" || arm !== LED_NOW);

  const start = async () => {
    setError(null);
    try {
      await send("POST", "/jobs", {
        kind: "what-if",
        change: {
          close_edge: street || null,
          demand: Number(demand),
          add_unit: unit || null,
          plan: plan && { junction: plan.junction, greens_s: plan.greens.map(Number), offset_s: Number(plan.offset) },
          ...led,
        },
        minutes: Number(minutes),
        begin,
        seeds: seeds.split(/[,\s]+/).filter(Boolean).map(Number),
      });
      await reload.jobs();
    } catch (problem) {
      setError(problem instanceof Error ? problem.message : String(problem));
    }
  };

  return (
    <form
      class="panel"
      onSubmit={(event) => {
        event.preventDefault();
        void start();
      }}
    >
      <header>
        <h2>{t("tab.whatif")}</h2>
      </header>
      <div class="stack">
        <p class="small soft">{t("whatif.note")}</p>
        <label class="field">
          <span>{t("whatif.close")}</span>
          <input type="text" list="edge-names" value={street} onInput={(event) => setStreet(event.currentTarget.value)} />
        </label>
        <datalist id="edge-names">
          {edges.slice(0, MOST_NAMES).map((edge) => (
            <option key={edge.name} value={edge.name}>
              {edge.street}
            </option>
          ))}
        </datalist>
        {choices && choices.stations.length > 0 && (
          <label class="field">
            <span>{t("whatif.unit")}</span>
            <select value={unit} onChange={(event) => setUnit(event.currentTarget.value)}>
              <option value="">{t("whatif.unit_none")}</option>
              {choices.stations.map((one) => (
                <option key={one.name} value={one.name}>
                  {t("whatif.unit_at", { name: one.name, n: one.units })}
                </option>
              ))}
            </select>
          </label>
        )}
        {unit && <p class="small soft">{t("whatif.calls_note")}</p>}
        {choices && Object.keys(choices.plans).length > 0 && <PlanFields choices={choices} plan={plan} setPlan={setPlan} />}
        {choices && choices.arms.length > 0 && (
          <div class="row">
            {(["baseline", "control"] as const).map((one) => (
              <label key={one} class="field">
                <span>{t(one === "baseline" ? "whatif.as_is" : "whatif.would_be")}</span>
                <select disabled={plan !== null} value={led[one]} onChange={(event) => setArms({ ...led, [one]: event.currentTarget.value })}>
                  {offered.map((arm) => (
                    <option key={arm} value={arm}>
                      {armName(arm)}
                    </option>
                  ))}
                </select>
              </label>
            ))}
          </div>
        )}
        <fieldset class="choice">
          <legend>{t("whatif.begin")}</legend>
          {(["now", "start"] as const).map((one) => (
            <label key={one}>
              <input type="radio" name="begin" checked={begin === one} onChange={() => (setBegin(one), setArms(null))} />
              {t(one === "now" ? "whatif.begin_now" : "whatif.begin_start")}
            </label>
          ))}
        </fieldset>
        <div class="row">
          <label class="field">
            <span>{t("whatif.demand")}</span>
            <input type="number" min="0.1" max="3" step="0.05" value={demand} onInput={(event) => setDemand(event.currentTarget.value)} />
          </label>
          <label class="field">
            <span>{t("whatif.minutes")}</span>
            <input type="number" min="2" max="60" value={minutes} onInput={(event) => setMinutes(event.currentTarget.value)} />
          </label>
          <label class="field">
            <span>{t("whatif.seeds")}</span>
            <input type="text" value={seeds} pattern="[0-9, ]+" onInput={(event) => setSeeds(event.currentTarget.value)} />
          </label>
        </div>
        {nothing && <p class="note">{t("whatif.absent")}</p>}
        {!may("jobs.start") && <p class="note warn">{t("may.not", { role: t("role.engineer") })}</p>}
        {error && (
          <p class="note bad" role="alert">
            {error}
          </p>
        )}
        <div class="row">
          <button type="submit" class="btn main" disabled={!may("jobs.start") || nothing}>
            {t("whatif.start")}
          </button>
        </div>
      </div>
    </form>
  );
}

/** Greens and offset of one junction's plan, from those that stand. */
function PlanFields({ choices, plan, setPlan }: { choices: WhatIfChoices; plan: PlanForm | null; setPlan: (plan: PlanForm | null) => void }) {
  const junctions = layout.value?.junctions ?? [];
  const standing = plan && choices.plans[String(plan.junction)];
  const name = plan ? (junctions[plan.junction]?.label ?? String(plan.junction)) : "";
  const choose = (text: string) => {
    const found = text === "" ? undefined : choices.plans[text];
    setPlan(found ? { junction: Number(text), greens: found.stages.map(([, green]) => String(green)), offset: String(found.offset_s) } : null);
  };
  return (
    <>
      <label class="field">
        <span>{t("whatif.plan")}</span>
        <select value={plan ? String(plan.junction) : ""} onChange={(event) => choose(event.currentTarget.value)}>
          <option value="">{t("whatif.plan_none")}</option>
          {Object.keys(choices.plans).map((row) => (
            <option key={row} value={row}>
              {junctions[Number(row)]?.label ?? row}
            </option>
          ))}
        </select>
      </label>
      {plan && standing && (
        <fieldset class="stack plain">
          <legend class="small">{t("whatif.plan_greens", { junction: name })}</legend>
          <div class="row">
            {standing.stages.map(([stage, , least], k) => (
              <label key={k} class="field short">
                <span>{stageName(stage)}</span>
                <input
                  type="number"
                  min={least}
                  max="240"
                  step="1"
                  value={plan.greens[k]}
                  onInput={(event) => setPlan({ ...plan, greens: plan.greens.map((old, n) => (n === k ? event.currentTarget.value : old)) })}
                />
              </label>
            ))}
            <label class="field short">
              <span>{t("whatif.plan_offset")}</span>
              <input type="number" min="0" max="240" step="1" value={plan.offset} onInput={(event) => setPlan({ ...plan, offset: event.currentTarget.value })} />
            </label>
          </div>
          <p class="small soft">{t("whatif.plan_note")}</p>
        </fieldset>
      )}
    </>
  );
}
