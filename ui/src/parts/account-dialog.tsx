/** Who is signed in here, with which roles, until when; and the way out. */
import { send, session } from "../api/client";
import { close } from "../state/dialogs";
import { sayError } from "../state/operations";
import { theme } from "../state/prefs";
import { dayAndClock, districtName, t, term } from "../words";
import { Dialog } from "./dialog";

export function AccountDialog() {
  const who = session.value;
  const leave = async () => {
    try {
      await send("DELETE", "/session");
      close();
      session.value = null;
    } catch (problem) {
      sayError(problem);
    }
  };
  if (!who) return null;
  return (
    <Dialog title={t("account.title")} onClose={close}>
      <dl class="facts">
        <dt>{t("login.name")}</dt>
        <dd>{who.user}</dd>
        <dt>{t("account.roles")}</dt>
        <dd>{who.roles.map((role) => term("role", role)).join(", ")}</dd>
        <dt>{t("account.districts")}</dt>
        <dd>{who.districts.includes("*") ? t("account.everywhere") : who.districts.map((id) => districtName(id)).join(", ")}</dd>
        <dt>{t("account.until")}</dt>
        <dd>{dayAndClock(who.expires_at_ms)}</dd>
      </dl>
      <div class="row gap">
        <button type="button" class="btn main" autofocus onClick={() => void leave()}>
          {t("account.leave")}
        </button>
        <button type="button" class="btn" onClick={() => (theme.value = theme.value === "dark" ? "light" : "dark")}>
          {t(theme.value === "dark" ? "head.light" : "head.dark")}
        </button>
      </div>
    </Dialog>
  );
}
