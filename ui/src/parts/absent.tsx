/** What a view says where nothing is connected: never a number, never an example. */
import type { ComponentChildren } from "preact";
import { Icon } from "./icon";

export function Absent({ icon, title, children }: { icon: string; title: string; children?: ComponentChildren }) {
  return (
    <div class="empty">
      <Icon name={icon} />
      <h2>{title}</h2>
      {children}
    </div>
  );
}
