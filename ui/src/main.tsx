import { render } from "preact";
import { get, session } from "./api/client";
import type { Session } from "./api/types";
import { App } from "./app";
import { say } from "./state/operations";
import "uplot/dist/uPlot.min.css";
import "./style/tokens.css";
import "./style/base.css";
import "./style/shell.css";
import "./style/phone.css";
import "./style/parts.css";
import "./style/lists.css";
import "./style/services.css";
import "./style/halves.css";

const root = document.getElementById("app");
if (root) render(<App />, root);

get<Session>("/session")
  .then((body) => {
    session.value = body;
  })
  .catch((error: unknown) => {
    session.value = null;
    const status = (error as { status?: number }).status;
    if (status !== 401) say(error instanceof Error ? error.message : String(error), "bad");
  });
