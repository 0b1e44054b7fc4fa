// Shows the page in the document.

import { render } from "preact";
import type { Link } from "./link/link.ts";
import { Shell } from "./views/Shell.tsx";

export function show(link: Link): void {
  render(<Shell link={link} />, document.getElementById("page")!);
}
