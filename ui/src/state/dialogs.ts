/** Which dialog is open; one at a time. */
import { signal } from "@preact/signals";

export type Open =
  | { kind: "help" }
  | { kind: "find" }
  | { kind: "hold"; row: number; act: "hold" | "release" }
  | { kind: "ladder" }
  | { kind: "drill" };

export const open = signal<Open | null>(null);

export function close(): void {
  open.value = null;
}
