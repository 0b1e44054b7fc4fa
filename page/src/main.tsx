// The page in its two places: in a frame of a host, or as the console.

import { render } from "preact";
import { ConsoleLink } from "./link/console.ts";
import { HostLink } from "./link/host.ts";
import { Problem } from "./parts/basics.tsx";
import { show } from "./show.tsx";

const isFramed = window.parent !== window;
document.documentElement.dataset.place = isFramed ? "host" : "console";
const link = isFramed ? new HostLink() : new ConsoleLink();
void link.enter().then((entered) => {
  if (!("error" in entered)) show(link);
  else render(<Problem failure={entered.error} />, document.getElementById("page")!);
});
