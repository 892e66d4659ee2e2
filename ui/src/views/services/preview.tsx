/** What a new plan of the round would change, looked at before it is made: on a breakdown, or on a plan that waits for a person. */
import { useEffect, useState } from "preact/hooks";
import { get, may, send } from "../../api/client";
import type { RoundChange, RoundPreview } from "../../api/types";
import { DataTable, type Column } from "../../parts/table";
import { ladder, say } from "../../state/operations";
import { nameOf, rowsOf, type Service } from "../../state/services";
import { figure, number, span, t, term } from "../../words";
import { Block } from "./frame";

const PATIENCE_MS = 130_000;
const BROKEN_DOWN = 4;

export function Preview({ service }: { service: Service }) {
  const trucks = rowsOf(service, "trucks").filter((truck) => (truck.stops_left ?? 0) > 0 && truck.status !== BROKEN_DOWN);
  const [truck, setTruck] = useState<number | null>(null);
  const [busy, setBusy] = useState(false);
  const [found, setFound] = useState<{ of: number | null; told: RoundPreview } | null>(null);
  const [error, setError] = useState<string | null>(null);
  const advised = ladder.value.some((rung) => rung.domain === "refuse" && rung.rung === "advise");
  const chosen = truck ?? trucks[0]?.row ?? null;

  const look = async (of: number | null) => {
    setBusy(true);
    setError(null);
    try {
      setFound({ of, told: await get<RoundPreview>(`/refuse/preview${of === null ? "" : `?truck=${of}`}`, PATIENCE_MS) });
    } catch (problem) {
      setFound(null);
      setError(problem instanceof Error ? problem.message : String(problem));
    } finally {
      setBusy(false);
    }
  };
  useEffect(() => {
    // A plan that waits for a person is shown without being asked for.
    if (advised) void look(null);
  }, [advised]);

  return (
    <Block title={t("preview.title")}>
      <div class="row">
        {trucks.length > 0 && (
          <>
            <label class="row">
              {t("preview.truck")}
              <select value={String(chosen ?? "")} onChange={(event) => setTruck(Number(event.currentTarget.value))}>
                {trucks.map((one) => (
                  <option key={one.row} value={one.row}>
                    {nameOf(service, "trucks", one.row)}
                  </option>
                ))}
              </select>
            </label>
            <button type="button" class="btn slim" disabled={busy} onClick={() => void look(chosen)}>
              {t(busy ? "act.waiting" : "preview.look")}
            </button>
          </>
        )}
        {advised && (
          <button type="button" class="btn slim" disabled={busy} onClick={() => void look(null)}>
            {t("preview.waiting")}
          </button>
        )}
      </div>
      {!trucks.length && <p class="small soft">{t("preview.no_truck")}</p>}
      {error && (
        <p class="note bad small" role="alert">
          {error}
        </p>
      )}
      <div aria-live="polite">
        {found && !found.told.change && <p class="small soft">{t("preview.none")}</p>}
        {found?.told.change && <Change service={service} found={found.told} change={found.told.change} truck={found.of} onMade={() => setFound(null)} />}
      </div>
    </Block>
  );
}

interface ChangeProps {
  service: Service;
  found: RoundPreview;
  change: RoundChange;
  truck: number | null;
  onMade(): void;
}

function Change({ service, found, change, truck, onMade }: ChangeProps) {
  const [busy, setBusy] = useState(false);
  const more = (change.metres_after - change.metres_before) / 1000;
  const columns: Column<RoundChange["moved"][number]>[] = [
    { key: "container", label: t("refuse.container"), get: (one) => nameOf(service, "containers", one.container) },
    { key: "from", label: t("preview.from"), get: (one) => nameOf(service, "trucks", one.from) },
    { key: "to", label: t("preview.to"), get: (one) => nameOf(service, "trucks", one.to) },
    { key: "why", label: t("col.reason"), get: (one) => term("movedwhy", one.lost ? 2 : 1) },
  ];
  const make = async () => {
    if (!found.waits) return;
    setBusy(true);
    try {
      await send("POST", "/refuse/plan", { decision: found.waits.decision, why: "" });
      say(t("preview.made"), "good");
      onMade();
    } catch (problem) {
      say(problem instanceof Error ? problem.message : String(problem), "bad");
    } finally {
      setBusy(false);
    }
  };
  return (
    <>
      <p class="note accent small">
        {t(truck === null ? "preview.line_waits" : "preview.line", {
          truck: truck === null ? "" : nameOf(service, "trucks", truck),
          moved: figure(change.moved.length),
          stops: figure(change.stops),
          left: figure(change.left_out.length),
          before: number(change.metres_before / 1000, 1),
          after: number(change.metres_after / 1000, 1),
          more: `${more >= 0 ? "+" : "−"}${number(Math.abs(more), 1)}`,
          home: span(change.home_in_s),
        })}
      </p>
      <DataTable caption={t("refuse.moved_table")} columns={columns} rows={change.moved} rowKey={(one) => one.container} page={12} empty={t("preview.nothing_moves")} />
      {found.waits && (
        <button type="button" class="btn main slim" disabled={busy || !may("refuse.replan")} onClick={() => void make()}>
          {t(busy ? "act.waiting" : "preview.make")}
        </button>
      )}
    </>
  );
}
