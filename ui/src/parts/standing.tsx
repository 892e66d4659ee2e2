/** The line that never leaves: what the picture is, who decides, whether it is live. In words. */
import { city, feedState, nowMs, pace, paused, replaying, truthShown, unplugged } from "../state/city";
import { armName } from "../words/arms";
import { ladder } from "../state/operations";
import { at } from "../state/replay";
import { route } from "../state/route";
import { clock, dayAndClock, hasTerm, t, term } from "../words";

export function Standing() {
  const about = city.value;
  const rungs = [...new Map(ladder.value.map((one) => [one.domain, one.domain])).keys()];
  return (
    <section class="standing" aria-label={t("standing.title")}>
      {about && (
        <span>
          <b>{hasTerm("citymode", about.mode) ? term("citymode", about.mode) : about.mode}</b>
        </span>
      )}
      {about && <span>{labelOf(about.mode, about.label)}</span>}
      {about?.halves && (
        <span>{t("halves.standing_line", { left: armName(about.halves.left), right: armName(about.halves.right) })}</span>
      )}
      {truthShown.value && !replaying.value && <span>{t("standing.truth")}</span>}
      {rungs.map((domain) => {
        const mine = ladder.value.filter((one) => one.domain === domain);
        const all = mine.every((one) => one.rung === mine[0].rung);
        return (
          <span key={domain}>
            {term("domain", domain)}: <b>{all ? term("rung", mine[0].rung) : t("standing.mixed")}</b>
            {all && <span class="wide-only"> ({t(`rung_short.${mine[0].rung}`)})</span>}
          </span>
        );
      })}
      {unplugged.value && (
        <span class="tag bad">
          <span aria-hidden="true">▲</span> {t("standing.unplugged")}
        </span>
      )}
      {route.value.unknown && (
        <span class="tag warn">{t("route.unknown", { text: route.value.unknown })}</span>
      )}
      <span class="push" role="status">
        {replaying.value ? t("standing.replay", { at: dayAndClock(at.value) }) : t(`feed.${feedState.value}`, { at: clock(nowMs.value) })}
        {!replaying.value && feedState.value === "live" && (paused.value ? ` · ${t("standing.paused")}` : pace.value && pace.value !== 1 ? ` · ${t("standing.pace", { n: Math.round(pace.value * 10) / 10 })}` : "")}
      </span>
    </section>
  );
}

/** The server's label in the reader's language where its meaning is known; otherwise as the server wrote it. */
function labelOf(mode: string, label: string) {
  if (/SYNTHETIC/i.test(label)) return t(/UNCALIBRATED/i.test(label) ? "standing.synthetic_uncalibrated" : "standing.synthetic");
  if (/UNCALIBRATED/i.test(label)) return t("standing.uncalibrated");
  if (mode === "load-test") return t("standing.load_test");
  return <span lang="en">{label}</span>;
}
