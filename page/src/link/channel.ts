// How the document at the address of the console asks the page to show an app.
//
// The page is below a path that only its tab knows, so nothing leads there but this channel, which
// reaches the tabs of one origin. A message shows an app, and does nothing else.

export const CHANNEL = "console";

/** The longest client id that is passed on. */
export const MOST_CHARACTERS = 200;

/** What is said on the channel: an app to open, or one that is open now. */
export type Said = { open: string } | { opened: string };

/** The client id in a message under this name; null where there is none. */
export function clientIdIn(said: unknown, name: "open" | "opened"): string | null {
  const found = (said as Record<string, unknown> | null)?.[name];
  return typeof found === "string" && found && found.length <= MOST_CHARACTERS ? found : null;
}
