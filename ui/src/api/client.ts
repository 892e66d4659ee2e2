/** Requests to the server that served this page, and to nobody else. */
import { signal } from "@preact/signals";
import type { Session } from "./types";

const BASE = "/api/v1";
const PATIENCE_MS = 15_000;

/** undefined: not asked yet; null: nobody is signed in. */
export const session = signal<Session | null | undefined>(undefined);
/** Somebody was signed in here, and is no longer without having asked for it. */
export const sessionEnded = signal(false);

/** Nobody is signed in any more: whoever is here is asked to sign in again, and told why. */
export function endSession(): void {
  if (session.value) sessionEnded.value = true;
  session.value = null;
}

export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    readonly body: unknown = null,
  ) {
    super(message);
  }

  /** The server has no such part yet: the view says so and shows nothing in its place. */
  get absent(): boolean {
    return this.status === 404 || this.status === 501;
  }
}

export function may(act: string): boolean {
  return session.value?.may.includes(act) ?? false;
}

async function ask(method: string, path: string, body?: unknown, patienceMs = PATIENCE_MS): Promise<Response> {
  const headers: Record<string, string> = { Accept: "application/json" };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  if (method !== "GET" && session.value) headers["X-CSRF-Token"] = session.value.csrf;
  let answer: Response;
  try {
    answer = await fetch(BASE + path, {
      method,
      headers,
      body: body === undefined ? undefined : JSON.stringify(body),
      credentials: "same-origin",
      signal: AbortSignal.timeout(patienceMs),
    });
  } catch (error) {
    const late = error instanceof DOMException && error.name === "TimeoutError";
    throw new ApiError(0, late ? "late" : "unreachable", late ? "The server did not answer." : "The server is not reachable.");
  }
  if (answer.ok) return answer;
  if (answer.status === 401 && path !== "/session") endSession();
  let code = String(answer.status);
  let message = answer.statusText;
  let parsed: unknown = null;
  try {
    parsed = await answer.json();
    const error = (parsed as { error?: { code?: string; message?: string } }).error;
    code = error?.code ?? code;
    message = error?.message ?? message;
  } catch {
    // A body that is not JSON tells no more than the status does.
  }
  throw new ApiError(answer.status, code, message, parsed);
}

export async function get<T>(path: string, patienceMs = PATIENCE_MS): Promise<T> {
  return (await (await ask("GET", path, undefined, patienceMs)).json()) as T;
}

export async function getBytes(path: string): Promise<ArrayBuffer> {
  return (await ask("GET", path)).arrayBuffer();
}

export async function send<T>(method: "POST" | "PUT" | "PATCH" | "DELETE", path: string, body?: unknown): Promise<T> {
  const answer = await ask(method, path, body);
  const text = await answer.text();
  return (text ? JSON.parse(text) : null) as T;
}

/** A path with its query; empty values are left out. */
export function withQuery(path: string, query: Record<string, string | number | null | undefined>): string {
  const pairs = Object.entries(query).filter(([, value]) => value !== null && value !== undefined && value !== "");
  const tail = new URLSearchParams(pairs.map(([key, value]) => [key, String(value)])).toString();
  return tail ? `${path}?${tail}` : path;
}
