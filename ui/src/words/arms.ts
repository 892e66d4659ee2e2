/** What a control is called. */
import { hasTerm, term } from ".";

export function armName(arm: string): string {
  return hasTerm("arm", arm) ? term("arm", arm) : arm;
}
