/** Line drawings of the views and acts, all on a grid of 24. */
const PATHS: Record<string, string> = {
  city: "M3 20h18M5 20V9l5-3v14M10 20V4h6v16M16 20v-9h4v9M12.5 8h1M12.5 12h1M12.5 16h1",
  signals: "M8.5 2.5h7a1 1 0 0 1 1 1v17a1 1 0 0 1-1 1h-7a1 1 0 0 1-1-1v-17a1 1 0 0 1 1-1zM12 7.4a1.6 1.6 0 1 0 0-.01M12 13.6a1.6 1.6 0 1 0 0-.01M12 19.2a1.6 1.6 0 1 0 0-.01",
  emergency: "M3 8h11v9H3zM14 11h4l3 3v3h-7M6.5 19.5a2 2 0 1 0 0-.01M16.5 19.5a2 2 0 1 0 0-.01M8.5 10v5M6 12.5h5",
  refuse: "M5 7h14M9 7V4.5h6V7M6.5 7l1 13h9l1-13M10 11v5.5M14 11v5.5",
  evidence: "M4 20V4M4 20h16M8 16v-4M12 16V8M16 16v-6M19.5 5.5l-4 3-4-2.5-4 3",
  find: "M10.5 17a6.5 6.5 0 1 0 0-13 6.5 6.5 0 0 0 0 13zM15.5 15.5L21 21",
  alert: "M12 3.5L22 20.5H2zM12 10v5M12 17.6v.6",
  sun: "M12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8zM12 2v3M12 19v3M2 12h3M19 12h3M4.9 4.9L7 7M17 17l2.1 2.1M4.9 19.1L7 17M17 7l2.1-2.1",
  moon: "M20 14.5A8.5 8.5 0 0 1 9.5 4a8.5 8.5 0 1 0 10.5 10.5z",
  plus: "M12 5v14M5 12h14",
  minus: "M5 12h14",
  fit: "M4 9V4h5M20 9V4h-5M4 15v5h5M20 15v5h-5",
  table: "M3.5 5h17v14h-17zM3.5 10h17M3.5 14.5h17M9 5v14",
  close: "M6 6l12 12M18 6L6 18",
  unplugged: "M9 3v5M15 3v5M6 8h12v3a6 6 0 0 1-12 0zM12 17v4",
  person: "M12 11.5a4 4 0 1 0 0-8 4 4 0 0 0 0 8zM4 20.5c.8-4 4-6 8-6s7.2 2 8 6",
  play: "M7 4.5v15l12-7.5z",
  pause: "M7.5 5v14M16.5 5v14",
  link: "M10 14a4 4 0 0 0 6 .4l3-3a4 4 0 0 0-5.7-5.7l-1.2 1.2M14 10a4 4 0 0 0-6-.4l-3 3a4 4 0 0 0 5.7 5.7l1.2-1.2",
};

export function Icon({ name }: { name: string }) {
  return (
    <svg class="icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false">
      <path
        d={PATHS[name] ?? ""}
        fill="none"
        stroke="currentColor"
        stroke-width="1.7"
        stroke-linecap="round"
        stroke-linejoin="round"
      />
    </svg>
  );
}

export function Mark() {
  return (
    <svg viewBox="0 0 32 32" aria-hidden="true" focusable="false">
      <rect width="32" height="32" rx="7" fill="#12202e" />
      <path d="M23.2 10.2A9.2 9.2 0 1 0 25.2 16" fill="none" stroke="#7fb4ff" stroke-width="3.2" stroke-linecap="round" />
      <circle cx="16" cy="16" r="3.4" fill="#ffd166" />
    </svg>
  );
}
