/** The frame of every act that the server answers: a form, the error it met, and what became of it. */
import type { ComponentChildren } from "preact";
import { may } from "../api/client";
import { close } from "../state/dialogs";
import { t } from "../words";
import { Dialog } from "./dialog";

interface Props {
  title: string;
  /** The right that the act needs. */
  needs: string;
  /** What the button says that does it. */
  act: string;
  busy: boolean;
  /** Whether what was filled in is enough. */
  ready?: boolean;
  error: string | null;
  onAct: () => void;
  /** What came of it; the form is gone then. */
  done: ComponentChildren | null;
  /** Further buttons. */
  beside?: ComponentChildren;
  children: ComponentChildren;
}

export function ActDialog({ title, needs, act, busy, ready = true, error, onAct, done, beside, children }: Props) {
  const allowed = may(needs);
  return (
    <Dialog title={title} onClose={close}>
      {done ? (
        <div class="stack">
          <p class="note good" role="status">
            {done}
          </p>
          <button type="button" class="btn main" ref={focusOnce} onClick={close}>
            {t("act.close")}
          </button>
        </div>
      ) : (
        <form
          class="stack"
          onSubmit={(event) => {
            event.preventDefault();
            onAct();
          }}
        >
          {children}
          {!allowed && <p class="note warn">{t("may.not", { role: t("role.operator") })}</p>}
          {error && (
            <p class="note bad" role="alert">
              {error}
            </p>
          )}
          <div class="row">
            <button type="submit" class="btn main" disabled={busy || !allowed || !ready}>
              {busy ? t("act.waiting") : act}
            </button>
            {beside}
            <button type="button" class="btn" onClick={close}>
              {t("act.cancel")}
            </button>
          </div>
        </form>
      )}
    </Dialog>
  );
}

/** The button that had the focus is gone: the next Enter is meant for this one. */
function focusOnce(button: HTMLButtonElement | null): void {
  button?.focus();
}

/** What a failed request says to people. */
export function told(problem: unknown): string {
  return problem instanceof Error ? problem.message : String(problem);
}
