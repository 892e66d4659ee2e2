/** Evidence: what was gained and lost, every decision and its reason, how far sensors and forecasts can be trusted. */
import { may } from "../api/client";
import { Tabs } from "../parts/tabs";
import { changes } from "../state/operations";
import { go, route } from "../state/route";
import { t, type Word } from "../words";
import { ApprovalsTab } from "./evidence/approvals";
import { AuditTab } from "./evidence/audit";
import { CalibrationTab } from "./evidence/calibration";
import { CaseTab } from "./evidence/case";
import { DecisionsTab } from "./evidence/decisions";
import { ExportsTab } from "./evidence/exports";
import { MonthTab } from "./evidence/month";
import { ScoreTab } from "./evidence/score";
import { SensorsTab } from "./evidence/sensors";
import { WhatIfTab } from "./evidence/what-if";

const TABS = ["score", "decisions", "case", "whatif", "sensors", "calibration", "month", "approvals", "audit", "exports"] as const;
type TabName = (typeof TABS)[number];

const BODIES: Record<TabName, () => preact.JSX.Element> = {
  score: ScoreTab,
  decisions: DecisionsTab,
  case: CaseTab,
  whatif: WhatIfTab,
  sensors: SensorsTab,
  calibration: CalibrationTab,
  month: MonthTab,
  approvals: ApprovalsTab,
  audit: AuditTab,
  exports: ExportsTab,
};

export function EvidenceView() {
  const chosen = TABS.find((tab) => tab === route.value.item.split("/")[0]) ?? "score";
  const Body = BODIES[chosen];
  const waiting = changes.value.filter((change) => change.status === "waiting" || change.status === "pending").length;
  const label = (id: TabName) => `${t(`tab.${id}` as Word)}${id === "approvals" && waiting ? ` (${waiting})` : ""}`;
  const shown = TABS.filter((tab) => tab !== "audit" || may("audit.list"));
  return (
    <div class="evidence">
      <Tabs label={t("view.evidence")} tabs={shown.map((id) => ({ id, label: label(id) }))} chosen={chosen} onChoose={(id) => go("evidence", id)} />
      <div id="tabpanel" role="tabpanel" class="tabbody" aria-labelledby={`tab-${chosen}`} tabIndex={0}>
        <Body />
      </div>
    </div>
  );
}
