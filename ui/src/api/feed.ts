/** The WebSocket of live frames: reconnects with growing, scattered pauses, and sleeps with a hidden page. */
import { readFrame, type Frame } from "./frame";

/** `starting`: connected, and no frame came yet; `quiet`: connected, and none came for a while. */
export type FeedState = "connecting" | "starting" | "live" | "quiet" | "lost" | "refused";

const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 15_000;
const SILENCE_MS = 30_000;
/** A city that told nothing for so long, or for three of its steps, stands still. */
const QUIET_MS = 10_000;

export interface FeedEvents {
  frame(frame: Frame, arrivedAt: number): void;
  state(state: FeedState): void;
  /** The session is gone: whoever is here has to sign in again. */
  unauthorised(): void;
  /** The layout changed under the page. */
  layout(version: string): void;
}

export class Feed {
  private socket: WebSocket | null = null;
  private pause = FIRST_PAUSE_MS;
  private timer = 0;
  private heardAt = 0;
  private frameAt = 0;
  private quietMs = QUIET_MS;
  private told: FeedState = "connecting";
  private closed = false;
  private want: string[] = [];

  constructor(
    private readonly on: FeedEvents,
    private readonly path = "/api/v1/live",
  ) {
    document.addEventListener("visibilitychange", this.wake);
    window.setInterval(() => {
      // A laptop that slept may hold a socket that is long dead.
      if (this.socket && performance.now() - this.heardAt > SILENCE_MS && !document.hidden) this.socket.close();
      else if (this.told === "live" && performance.now() - this.frameAt > this.quietMs) this.tell("quiet");
    }, 5000);
  }

  private readonly wake = () => {
    if (document.hidden || this.closed) return;
    if (!this.socket) {
      this.pause = FIRST_PAUSE_MS;
      this.open();
    }
  };

  ask(want: string[]): void {
    this.want = want;
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify({ want, max_hz: 10 }));
  }

  open(): void {
    this.closed = false;
    clearTimeout(this.timer);
    if (this.socket) return;
    this.tell("connecting");
    const scheme = location.protocol === "https:" ? "wss:" : "ws:";
    const socket = new WebSocket(`${scheme}//${location.host}${this.path}`);
    socket.binaryType = "arraybuffer";
    this.socket = socket;
    this.heardAt = performance.now();
    socket.onopen = () => {
      this.heardAt = performance.now();
      if (this.want.length) this.ask(this.want);
    };
    socket.onmessage = (event: MessageEvent<ArrayBuffer | string>) => {
      this.heardAt = performance.now();
      if (typeof event.data === "string") {
        this.greeted(event.data);
        return;
      }
      try {
        const frame = readFrame(event.data);
        this.frameAt = this.heardAt;
        this.quietMs = Math.max(QUIET_MS, 3000 / Math.max(frame.pace, 0.01));
        this.on.frame(frame, this.heardAt);
        // The server sends no further than a few frames ahead of this: behind a slow line the newest still comes next.
        socket.send(JSON.stringify({ got: frame.number }));
        this.tell("live");
      } catch {
        this.tell("refused");
        this.closed = true;
        socket.close();
      }
    };
    socket.onclose = (event) => {
      this.socket = null;
      if (event.code === 4401) {
        this.on.unauthorised();
        return;
      }
      if (this.closed) return;
      this.tell("lost");
      // Scattered, so that a thousand pages do not come back in the same second.
      this.timer = window.setTimeout(() => this.open(), this.pause * (0.5 + Math.random()));
      this.pause = Math.min(LONGEST_PAUSE_MS, this.pause * (event.code === 4429 ? 3 : 1.7));
    };
  }

  private tell(state: FeedState): void {
    if (this.told === state) return;
    this.told = state;
    this.on.state(state);
  }

  /** The server's first words, or its word that the line holds while nothing moves. */
  private greeted(text: string): void {
    this.pause = FIRST_PAUSE_MS;
    // Connected is not live: a city that is still starting has no frame to send.
    if (this.told === "connecting" || this.told === "lost") this.tell("starting");
    try {
      const hello = JSON.parse(text) as { layout_version?: string };
      if (hello.layout_version) this.on.layout(hello.layout_version);
    } catch {
      // Not ours to understand; frames follow all the same.
    }
  }
}
