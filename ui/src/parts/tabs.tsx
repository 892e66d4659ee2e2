/** Tabs as the ARIA authoring practices want them: arrows move, one tab stop for all. */
interface Props<T extends string> {
  label: string;
  tabs: readonly { id: T; label: string }[];
  chosen: T;
  onChoose(id: T): void;
}

export function Tabs<T extends string>({ label, tabs, chosen, onChoose }: Props<T>) {
  const move = (event: KeyboardEvent, i: number) => {
    const step = event.key === "ArrowRight" ? 1 : event.key === "ArrowLeft" ? -1 : 0;
    const end = event.key === "Home" ? 0 : event.key === "End" ? tabs.length - 1 : -1;
    if (!step && end < 0) return;
    event.preventDefault();
    const next = end >= 0 ? end : (i + step + tabs.length) % tabs.length;
    onChoose(tabs[next].id);
    const bar = (event.currentTarget as HTMLElement).parentElement;
    (bar?.children[next] as HTMLElement | undefined)?.focus();
  };
  return (
    <div class="tabs" role="tablist" aria-label={label}>
      {tabs.map((tab, i) => (
        <button
          key={tab.id}
          type="button"
          role="tab"
          id={`tab-${tab.id}`}
          class="tab"
          aria-selected={tab.id === chosen}
          aria-controls="tabpanel"
          tabIndex={tab.id === chosen ? 0 : -1}
          onClick={() => onChoose(tab.id)}
          onKeyDown={(event) => move(event, i)}
        >
          {tab.label}
        </button>
      ))}
    </div>
  );
}
