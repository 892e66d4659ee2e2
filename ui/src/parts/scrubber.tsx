/** Live, or any recorded instant: a slider over everything recorded, speed, and an address for the instant shown. */
import { useEffect } from "preact/hooks";
import { nowMs, replaying } from "../state/city";
import { at, backToLive, loadSpan, playing, seek, span, speed } from "../state/replay";
import { say } from "../state/operations";
import { go, route } from "../state/route";
import { clock, dayAndClock, t } from "../words";
import { Icon } from "./icon";

export function Scrubber() {
  const asked = route.value.query.at;
  useEffect(() => {
    void loadSpan();
    const timer = setInterval(() => void loadSpan(), 15_000);
    return () => clearInterval(timer);
  }, []);
  useEffect(() => {
    if (asked && /^\d{1,15}$/.test(asked)) void seek(Number(asked));
  }, [asked]);
  const range = span.value;
  if (!range || range.end_ms <= range.begin_ms) return null;
  // The slider's steps count from its least value: on whole seconds they stay where they are when old records go.
  const first = Math.ceil(range.begin_ms / 1000) * 1000;
  const here = at.value ?? nowMs.value;
  const live = !replaying.value;
  const goLive = () => {
    backToLive();
    const { at: _gone, ...rest } = route.value.query;
    go("city", "", rest);
  };
  const bookmark = async () => {
    go("city", "", { ...route.value.query, at: String(Math.round(here)) });
    try {
      await navigator.clipboard.writeText(location.href);
      say(t("time.copied"), "good");
    } catch {
      say(t("time.in_address"));
    }
  };
  return (
    <div class="scrub" role="group" aria-label={t("time.title")}>
      <button type="button" class="btn slim" aria-pressed={live} onClick={goLive}>
        {live ? "● " : "○ "}
        {t("time.live")}
      </button>
      <button
        type="button"
        class="btn slim"
        aria-label={t(playing.value ? "time.pause" : "time.play")}
        onClick={() => {
          if (live) void seek(Math.max(first, here - 60_000));
          playing.value = !playing.value;
        }}
      >
        <Icon name={playing.value ? "pause" : "play"} />
      </button>
      <input
        type="range"
        class="grow"
        min={first}
        max={Math.max(range.end_ms, nowMs.value)}
        step={1000}
        value={here}
        aria-label={t("time.slider")}
        aria-valuetext={dayAndClock(here)}
        onInput={(event) => void seek(Number(event.currentTarget.value))}
      />
      <output class="mono small">{clock(here)}</output>
      <label class="row small">
        <span class="unseen">{t("time.speed")}</span>
        <select
          value={String(speed.value)}
          aria-label={t("time.speed")}
          onChange={(event) => {
            speed.value = Number(event.currentTarget.value);
          }}
        >
          {[1, 2, 5, 10, 30, 60].map((n) => (
            <option key={n} value={n}>
              {n}×
            </option>
          ))}
        </select>
      </label>
      <button type="button" class="btn slim" onClick={() => void bookmark()}>
        <Icon name="link" />
        {t("time.bookmark")}
      </button>
    </div>
  );
}
