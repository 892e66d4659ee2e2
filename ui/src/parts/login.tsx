/** Sign in: shown over whatever was open, which goes on after. */
import { useState } from "preact/hooks";
import { useFetched } from "./fetched";
import { send, session, sessionEnded } from "../api/client";
import type { Session } from "../api/types";
import { t } from "../words";
import { Mark } from "./icon";

export function Login() {
  const [name, setName] = useState("");
  const [password, setPassword] = useState("");
  const [error, setError] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const ways = useFetched<{ oidc: { name: string } | null }>("/session/ways").value;
  const enter = async () => {
    setBusy(true);
    setError(null);
    try {
      session.value = await send<Session>("POST", "/session", { name, password });
      sessionEnded.value = false;
    } catch (problem) {
      setError(problem instanceof Error ? problem.message : String(problem));
    } finally {
      setBusy(false);
    }
  };
  return (
    <main class="login">
      <form
        class="panel stack"
        onSubmit={(event) => {
          event.preventDefault();
          void enter();
        }}
      >
        <h1 class="brand">
          <Mark /> cityloop
        </h1>
        {sessionEnded.value ? (
          <p class="note warn" role="status">
            {t("login.ended")}
          </p>
        ) : (
          <p class="soft">{t("login.note")}</p>
        )}
        <label class="field">
          <span>{t("login.name")}</span>
          <input type="text" autocomplete="username" required value={name} onInput={(event) => setName(event.currentTarget.value)} />
        </label>
        <label class="field">
          <span>{t("login.password")}</span>
          <input
            type="password"
            autocomplete="current-password"
            required
            value={password}
            onInput={(event) => setPassword(event.currentTarget.value)}
          />
        </label>
        {error && (
          <p class="note bad" role="alert">
            {error}
          </p>
        )}
        <button type="submit" class="btn main" disabled={busy}>
          {t("login.enter")}
        </button>
        {ways?.oidc && (
          <a class="btn" href="/api/v1/session/oidc">
            {t("login.through", { name: ways.oidc.name })}
          </a>
        )}
        <p class="tiny soft">{t("login.token")}</p>
      </form>
    </main>
  );
}
