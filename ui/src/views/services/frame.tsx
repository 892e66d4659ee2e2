/** What Emergency and Refuse share: the map beside blocks of tables, or plain words that nothing is connected. */
import type { ComponentChildren } from "preact";
import { MapView } from "../../map/map-view";
import type { LayerName } from "../../map/layers";
import { Absent } from "../../parts/absent";
import { useFetched } from "../../parts/fetched";
import { city } from "../../state/city";
import type { Service } from "../../state/services";
import { t, type Word } from "../../words";

export type Domain = "emergency" | "refuse";

const OFFERED: Record<Domain, readonly LayerName[]> = {
  emergency: ["roads", "signals", "vehicles", "units", "alerts", "labels"],
  refuse: ["roads", "refuse", "alerts", "labels"],
};

export function useService(domain: Domain): { service: Service | null; waiting: boolean; problem: string | null } {
  const { value, error } = useFetched<Service>(city.value ? `/${domain}` : null, 2000);
  return {
    service: value?.available ? value : null,
    waiting: !value && !error,
    problem: error && !error.absent ? error.message : null,
  };
}

export function Missing({ domain, waiting, problem }: { domain: Domain; waiting: boolean; problem: string | null }) {
  // A city that has the service and tells nothing of it has not made its first step yet.
  const coming = !problem && city.value?.domains.includes(domain);
  const said = waiting || coming;
  return (
    <div class="view one">
      <section class="middle" aria-label={t(`view.${domain}`)}>
        <Absent icon={domain} title={t(waiting ? "load.waiting" : coming ? "feed.starting" : (`${domain}.absent` as Word))}>
          {!said && (
            <>
              <p>{t(`${domain}.absent_why` as Word)}</p>
              {problem && <p class="note bad">{problem}</p>}
            </>
          )}
        </Absent>
      </section>
    </div>
  );
}

interface Props {
  domain: Domain;
  onPick(id: string): void;
  selected: { x: number; y: number } | null;
  children: ComponentChildren;
}

export function ServiceFrame({ domain, onPick, selected, children }: Props) {
  return (
    <div class="view service">
      <div class="mapcolumn">
        <MapView
          label={t("map.of_domain", { domain: t(`view.${domain}`) })}
          offered={OFFERED[domain]}
          selected={selected}
          onPick={(pick) => onPick(pick.id)}
        />
      </div>
      <aside class="side" aria-label={t(`view.${domain}`)}>
        {children}
      </aside>
    </div>
  );
}

export function Block({ title, count, children }: { title: string; count?: number; children: ComponentChildren }) {
  return (
    <section class="block" aria-label={title}>
      <header>
        <h2>{title}</h2>
        {count !== undefined && <span class="tag">{count}</span>}
      </header>
      {children}
    </section>
  );
}

/** A few figures to be read at a glance. */
export function Figures({ items }: { items: readonly [string, string][] }) {
  return (
    <dl class="facts">
      {items.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}
