/** Which dialog is open; one at a time. */
import { signal } from "@preact/signals";
import type { Candidate } from "../parts/send-dialog";

export type Open =
  | { kind: "help" }
  | { kind: "find" }
  | { kind: "hold"; row: number; act: "hold" | "release" | "plan" }
  | { kind: "send"; call: number; candidates: readonly Candidate[] }
  | { kind: "ladder" }
  | { kind: "drill" }
  | { kind: "account" };

export const open = signal<Open | null>(null);

export function close(): void {
  open.value = null;
}
