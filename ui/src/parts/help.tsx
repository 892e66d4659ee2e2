/** Every key, and the switch that turns single-letter commands off. */
import { close } from "../state/dialogs";
import { singleKeys } from "../state/prefs";
import { t, type Word } from "../words";
import { Dialog } from "./dialog";

const KEYS: [keys: string[], word: Word][] = [
  [["1", "2", "3", "4", "5"], "keys.views"],
  [["/"], "keys.find"],
  [["?"], "keys.help"],
  [["H"], "keys.hold"],
  [["R"], "keys.release"],
  [["P"], "keys.plan"],
  [["Y"], "keys.advice"],
  [["L"], "keys.ladder"],
  [["S"], "keys.send"],
  [["A"], "keys.alerts"],
  [["M"], "keys.map"],
  [["T"], "keys.table"],
  [["D"], "keys.theme"],
  [["←", "→", "↑", "↓"], "keys.pan"],
  [["+", "−", "0"], "keys.zoom"],
  [["Enter"], "keys.pick"],
  [["Esc"], "keys.escape"],
];

export function HelpDialog() {
  return (
    <Dialog title={t("keys.title")} onClose={close}>
      <dl class="facts keylist">
        {KEYS.map(([keys, word]) => (
          <>
            <dt key={word}>
              {keys.map((key) => (
                <kbd key={key}>{key}</kbd>
              ))}
            </dt>
            <dd>{t(word)}</dd>
          </>
        ))}
      </dl>
      <label class="row gap">
        <input
          type="checkbox"
          checked={singleKeys.value === "on"}
          onChange={(event) => {
            singleKeys.value = event.currentTarget.checked ? "on" : "off";
          }}
        />
        {t("keys.single")}
      </label>
    </Dialog>
  );
}
