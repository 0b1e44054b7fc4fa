// The document at the address of the console. It asks the tab of the console to show an app.

import { CHANNEL, type Said, clientIdIn } from "../link/channel.ts";

const AGAIN_MS = 300;
const MOST_TIMES = 10;

function show(id: "asking" | "shown" | "alone" | "nothing"): void {
  for (const part of document.querySelectorAll("main > section")) {
    part.toggleAttribute("hidden", part.id !== id);
  }
}

/** Asks until the page has answered: it may just be loading. */
function ask(clientId: string): void {
  const channel = new BroadcastChannel(CHANNEL);
  let times = 0;
  const timer = setInterval(() => {
    if (++times < MOST_TIMES) say();
    else finish("alone");
  }, AGAIN_MS);
  const say = () => channel.postMessage({ open: clientId } satisfies Said);
  const finish = (id: "shown" | "alone") => {
    clearInterval(timer);
    channel.close();
    show(id);
  };
  channel.onmessage = (message) => {
    if (clientIdIn(message.data, "opened") === clientId) finish("shown");
  };
  show("asking");
  say();
}

const wanted = { open: new URLSearchParams(location.hash.slice(1)).get("app") };
const clientId = clientIdIn(wanted, "open");
if (clientId) ask(clientId);
else show("nothing");
