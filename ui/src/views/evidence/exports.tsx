/** What can be taken away: the API itself, and the feeds that others read. */
import { t, type Word } from "../../words";

const LINKS: [href: string, word: Word][] = [
  ["/api/v1/docs", "exports.docs"],
  ["/api/v1/openapi.json", "exports.openapi"],
  ["/api/v1/decisions?limit=1000", "exports.decisions"],
  ["/api/v1/signals", "exports.signals"],
  ["/api/v1/sensors/health", "exports.sensors"],
  ["/api/v1/alerts.cap", "exports.cap"],
  ["/metrics", "exports.metrics"],
];

export function ExportsTab() {
  return (
    <div class="panels">
      <section class="panel wide" aria-labelledby="exports-title">
        <header>
          <h2 id="exports-title">{t("tab.exports")}</h2>
        </header>
        <p class="small soft">{t("exports.note")}</p>
        <ul class="stack">
          {LINKS.map(([href, word]) => (
            <li key={href}>
              <a href={href} target="_blank" rel="noopener">
                {t(word)}
              </a>{" "}
              <span class="mono tiny soft">{href}</span>
            </li>
          ))}
        </ul>
      </section>
    </div>
  );
}
