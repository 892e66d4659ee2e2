/** A modal dialog: the browser's own, which keeps the focus inside and gives it back. */
import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { t } from "../words";
import { Icon } from "./icon";

interface Props {
  title: string;
  onClose(): void;
  kind?: string;
  children: ComponentChildren;
}

export function Dialog({ title, onClose, kind = "", children }: Props) {
  const box = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    const dialog = box.current;
    if (!dialog) return undefined;
    if (!dialog.open) dialog.showModal();
    // The browser tells of a close later: by then another dialog may be open, which is not the one that was closed.
    dialog.addEventListener("close", onClose);
    return () => {
      dialog.removeEventListener("close", onClose);
      dialog.close();
    };
  }, []);
  return (
    <dialog ref={box} class={kind} aria-label={title} onCancel={onClose}>
      <div class="dialoghead">
        <h2>{title}</h2>
        <button type="button" class="btn plain slim" onClick={onClose} aria-label={t("act.close")}>
          <Icon name="close" />
        </button>
      </div>
      <div class="body">{children}</div>
    </dialog>
  );
}
