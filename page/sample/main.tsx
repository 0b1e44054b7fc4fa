// The page on made-up apps. A test gives its own in `window.sample` before the page starts.

import { show } from "../src/show.tsx";
import { type Sample, SampleLink } from "./link.ts";

declare global {
  interface Window {
    sample?: Sample;
    link?: SampleLink;
  }
}

const wanted = Object.fromEntries(new URLSearchParams(location.search)) as { count?: string };
window.link = new SampleLink(window.sample ?? { count: Number(wanted.count ?? 40) });
show(window.link);
