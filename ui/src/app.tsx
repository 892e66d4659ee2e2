/** The shell: what always stands round a view, and the keys that work everywhere. */
import { useEffect } from "preact/hooks";
import { may, session } from "./api/client";
import { AccountDialog } from "./parts/account-dialog";
import { openAlerts } from "./parts/alerts";
import { Absent } from "./parts/absent";
import { DrillDialog } from "./parts/drill-dialog";
import { FindDialog } from "./parts/find";
import { HelpDialog } from "./parts/help";
import { HoldDialog } from "./parts/hold-dialog";
import { Icon, Mark } from "./parts/icon";
import { LadderDialog } from "./parts/ladder-dialog";
import { Login } from "./parts/login";
import { SendDialog } from "./parts/send-dialog";
import { Standing } from "./parts/standing";
import { city, load, nowMs, trouble } from "./state/city";
import { open } from "./state/dialogs";
import { onKey } from "./state/keys";
import { dismiss, listen, reloadAll, toasts } from "./state/operations";
import { language, theme } from "./state/prefs";
import { href, route, VIEWS, type ViewName } from "./state/route";
import { CityView } from "./views/city";
import { EmergencyPage } from "./views/services/emergency";
import { RefusePage } from "./views/services/refuse";
import { EvidenceView } from "./views/evidence";
import { SignalsView } from "./views/signals";
import { clock, t } from "./words";

export function App() {
  useEffect(() => {
    document.addEventListener("keydown", onKey);
    return () => document.removeEventListener("keydown", onKey);
  }, []);
  const who = session.value;
  useEffect(() => {
    if (!who) return undefined;
    void load();
    reloadAll();
    listen();
    const timer = setInterval(reloadAll, 20_000);
    return () => clearInterval(timer);
  }, [who?.user, who?.csrf]);
  useEffect(() => {
    document.title = `${t(`view.${route.value.view}`)} · ${city.value?.name ?? "cityloop"}`;
  }, [route.value.view, city.value?.name, language.value]);
  if (who === undefined) return <p class="empty">{t("load.waiting")}</p>;
  if (who === null) return <Login />;
  return (
    <div class="shell">
      <a class="skip" href="#main" onClick={toMain}>
        {t("nav.skip")}
      </a>
      <Head />
      <Standing />
      <Nav />
      <main id="main" class="main" tabIndex={-1}>
        <h2 class="unseen">{t(`view.${route.value.view}`)}</h2>
        {trouble.value && !city.value ? (
          <Trouble />
        ) : (
          <View name={route.value.view} />
        )}
      </main>
      <Dialogs />
      <Toasts />
    </div>
  );
}

function toMain(event: MouseEvent): void {
  // The address's fragment names the view: the focus moves without it.
  event.preventDefault();
  document.getElementById("main")?.focus();
}

function Trouble() {
  if (route.value.view === "evidence") return <EvidenceView />;
  return (
    <div class="view one">
      <Absent icon="alert" title={t("load.failed")}>
        <p>{trouble.value}</p>
        <button type="button" class="btn main" onClick={() => void load()}>
          {t("load.again")}
        </button>
      </Absent>
    </div>
  );
}

function View({ name }: { name: ViewName }) {
  switch (name) {
    case "city":
      return <CityView />;
    case "signals":
      return <SignalsView />;
    case "emergency":
      return <EmergencyPage />;
    case "refuse":
      return <RefusePage />;
    case "evidence":
      return <EvidenceView />;
  }
}

function Head() {
  const alerts = openAlerts().length;
  const other = language.value === "en" ? "zh" : "en";
  return (
    <header class="head">
      <span class="brand">
        <Mark />
        <span class="wide-only">cityloop</span>
      </span>
      <h1>{city.value?.name ?? t("head.no_city")}</h1>
      <time class="clock" aria-label={t("head.clock")}>
        {clock(nowMs.value || null)}
      </time>
      <span class="grow" />
      <button type="button" class="btn finder" aria-label={t("find.title")} onClick={() => (open.value = { kind: "find" })}>
        <Icon name="find" />
        <span class="wide-only">{t("find.title")}</span>
        <kbd>/</kbd>
      </button>
      <a class="btn" href={href("city", "", {})} data-act="alerts" onClick={() => setTimeout(toAlerts, 50)}>
        <Icon name="alert" />
        <span>{alerts}</span>
        <span class="wide-only">{t("alerts.title")}</span>
        <span class="unseen">{t("alerts.open")}</span>
      </a>
      {may("drill.begin") && (
        <button type="button" class="btn wide-only" onClick={() => (open.value = { kind: "drill" })}>
          <Icon name="unplugged" />
          <span>{t("drill.short")}</span>
        </button>
      )}
      <button
        type="button"
        class="btn plain themer"
        aria-label={t(theme.value === "dark" ? "head.light" : "head.dark")}
        title={t(theme.value === "dark" ? "head.light" : "head.dark")}
        onClick={() => (theme.value = theme.value === "dark" ? "light" : "dark")}
      >
        <Icon name={theme.value === "dark" ? "sun" : "moon"} />
      </button>
      <button type="button" class="btn plain" lang={other === "zh" ? "zh-Hans" : "en"} onClick={() => (language.value = other)}>
        {other === "zh" ? "中文" : "English"}
      </button>
      <button type="button" class="btn plain" aria-label={t("account.title")} title={session.value?.user} onClick={() => (open.value = { kind: "account" })}>
        <Icon name="person" />
      </button>
      <button type="button" class="btn plain keyhelp" aria-label={t("keys.title")} onClick={() => (open.value = { kind: "help" })}>
        <kbd>?</kbd>
      </button>
    </header>
  );
}

export function toAlerts(): void {
  const title = document.getElementById("alerts-title");
  title?.setAttribute("tabindex", "-1");
  title?.focus();
  title?.scrollIntoView({ block: "start" });
}

function Nav() {
  return (
    <nav class="nav" aria-label={t("nav.views")}>
      {VIEWS.map((view, i) => (
        <a key={view} href={href(view)} aria-current={route.value.view === view ? "page" : undefined}>
          <Icon name={view} />
          <span>{t(`view.${view}`)}</span>
          <span class="key" aria-hidden="true">
            {i + 1}
          </span>
        </a>
      ))}
    </nav>
  );
}

function Dialogs() {
  const shown = open.value;
  switch (shown?.kind) {
    case "help":
      return <HelpDialog />;
    case "find":
      return <FindDialog />;
    case "hold":
      return <HoldDialog key={`${shown.row}/${shown.act}`} row={shown.row} act={shown.act} />;
    case "send":
      return <SendDialog key={shown.call} call={shown.call} candidates={shown.candidates} />;
    case "ladder":
      return <LadderDialog />;
    case "drill":
      return <DrillDialog />;
    case "account":
      return <AccountDialog />;
    default:
      return null;
  }
}

function Toasts() {
  return (
    <div class="toasts" role="status" aria-live="polite">
      {toasts.value.map((toast) => (
        <div key={toast.id} class={`toast ${toast.tone}`}>
          <div class="row">
            <span class="grow">{toast.text}</span>
            <button type="button" class="btn plain slim" aria-label={t("act.close")} onClick={() => dismiss(toast.id)}>
              <Icon name="close" />
            </button>
          </div>
        </div>
      ))}
    </div>
  );
}
