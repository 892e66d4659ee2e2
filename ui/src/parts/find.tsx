/** Find anything: views, junctions and streets at once from the page, the rest from the server. */
import { useEffect, useMemo, useState } from "preact/hooks";
import { get, withQuery } from "../api/client";
import type { Found, Page } from "../api/types";
import { layout } from "../state/city";
import { close } from "../state/dialogs";
import { href, VIEWS } from "../state/route";
import { hasTerm, t, term } from "../words";
import { Dialog } from "./dialog";

const MOST = 12;

interface Hit {
  kind: string;
  label: string;
  url: string;
}

export function FindDialog() {
  const [text, setText] = useState("");
  const [at, setAt] = useState(0);
  const [remote, setRemote] = useState<Hit[]>([]);
  const local = useMemo(() => localHits(text), [text]);
  useEffect(() => {
    setRemote([]);
    if (text.trim().length < 2) return undefined;
    let gone = false;
    const timer = setTimeout(() => {
      get<Page<Found>>(withQuery("/search", { q: text.trim() }))
        .then((body) => {
          if (!gone) setRemote(body.items.flatMap(hitOf));
        })
        .catch(() => {
          // What the page itself knows is still shown.
        });
    }, 150);
    return () => {
      gone = true;
      clearTimeout(timer);
    };
  }, [text]);
  const seen = new Set(local.map((hit) => hit.url));
  const hits = [...local, ...remote.filter((hit) => !seen.has(hit.url))].slice(0, 30);
  const chosen = Math.min(at, hits.length - 1);
  const follow = (hit: Hit | undefined) => {
    if (!hit) return;
    close();
    location.hash = hit.url;
  };
  return (
    <Dialog title={t("find.title")} onClose={close} kind="finding">
      <div class="stack">
        <input
          type="text"
          autofocus
          role="combobox"
          aria-expanded={hits.length > 0}
          aria-controls="find-list"
          aria-activedescendant={hits.length ? `find-${chosen}` : undefined}
          aria-autocomplete="list"
          aria-label={t("find.title")}
          placeholder={t("find.hint")}
          value={text}
          onInput={(event) => {
            setText(event.currentTarget.value);
            setAt(0);
          }}
          onKeyDown={(event) => {
            if (event.key === "ArrowDown") setAt(Math.min(hits.length - 1, chosen + 1));
            else if (event.key === "ArrowUp") setAt(Math.max(0, chosen - 1));
            else if (event.key === "Enter") follow(hits[chosen]);
            else return;
            event.preventDefault();
          }}
        />
        <ul id="find-list" role="listbox" aria-label={t("find.results")} class="list findlist">
          {hits.map((hit, i) => (
            <li
              key={hit.url}
              id={`find-${i}`}
              role="option"
              aria-selected={i === chosen}
              class={`item ${i === chosen ? "on" : ""}`}
              onClick={() => follow(hit)}
            >
              <span class="grow">{hit.label}</span>
              <span class="tag">{hasTerm("found", hit.kind) ? term("found", hit.kind) : hit.kind}</span>
            </li>
          ))}
        </ul>
        <p class="unseen" role="status">
          {text ? t("find.count", { n: hits.length }) : ""}
        </p>
        {text && hits.length === 0 && <p class="soft small">{t("find.none")}</p>}
      </div>
    </Dialog>
  );
}

function hitOf(found: Found): Hit[] {
  // Only addresses inside this page are followed, whatever the server was told to call a thing.
  const url = found.kind === "sensor" && found.row !== null ? href("city", "", { sensor: String(found.row) }) : found.url;
  return url.startsWith("#/") ? [{ kind: found.kind, label: found.label, url }] : [];
}

function localHits(text: string): Hit[] {
  const sought = text.trim().toLowerCase();
  const hits: Hit[] = VIEWS.map((view) => ({ kind: "view", label: t(`view.${view}`), url: href(view) }));
  if (!sought) return hits;
  const rows = layout.value;
  rows?.junctions.forEach((junction, row) => {
    const label = junction.label || junction.name;
    hits.push({ kind: "junction", label: label === junction.name ? label : `${label} (${junction.name})`, url: href("signals", row) });
  });
  const streets = new Set<string>();
  rows?.edges.forEach((edge, row) => {
    if (!edge.street || streets.has(edge.street)) return;
    streets.add(edge.street);
    hits.push({ kind: "street", label: edge.street, url: href("city", "", { edge: String(row) }) });
  });
  return hits
    .filter((hit) => hit.label.toLowerCase().includes(sought))
    .sort((a, b) => a.label.toLowerCase().indexOf(sought) - b.label.toLowerCase().indexOf(sought))
    .slice(0, MOST);
}
