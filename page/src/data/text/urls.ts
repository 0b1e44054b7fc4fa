// Takes a URL apart as it is written, and says what is odd about it.

import { decodedHost } from "./punycode.ts";
import { mixesScripts, start } from "./printable.ts";

/** The parts of a URL. Put together they are the URL again. */
export interface Parts {
  /** `https://`, or a scheme alone. */
  before: string;
  /** What stands before an `@`, with it. */
  user: string;
  host: string;
  /** The port, the path and the rest. */
  after: string;
}

/** Something to know about a URL. Danger is wrong in every app; a note is not. */
export interface Mark {
  level: "danger" | "warning" | "note";
  short: string;
  long: string;
  /** Ends the long text; strangers may have written it. */
  theirs?: string;
}

const MOST_OF_NO_URL = 60;
const AUTHORITY = /^([a-z][a-z0-9+.-]*:\/\/)([^/?#\\]*)([^]*)$/i;
const SCHEME = /^([a-z][a-z0-9+.-]*:)([^]*)$/i;
const ACTIVE = /^(?:javascript|data|file|vbscript|blob|about|filesystem|view-source):/i;
const LOOPBACK = /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])$|\.localhost$/i;

export function partsOf(url: string): Parts {
  const found = AUTHORITY.exec(url);
  if (!found) {
    const [, scheme = "", rest = url] = SCHEME.exec(url) ?? [];
    return { before: scheme, user: "", host: "", after: rest };
  }
  const [, before = "", authority = "", rest = ""] = found;
  const at = authority.lastIndexOf("@") + 1;
  const address = authority.slice(at);
  const [host = ""] = /^(?:\[[^\]]*\]|[^:]*)/.exec(address)!;
  return { before, user: authority.slice(0, at), host, after: address.slice(host.length) + rest };
}

export function marksOf(url: string): Mark[] {
  const parts = partsOf(url);
  return CHECKS.flatMap((check) => check(parts, url) ?? []);
}

/** The host of a URL, its scheme where it has none, or its start where it is no URL: to group and to filter by. */
export function placeOf(url: string): string {
  const { host, before } = partsOf(url);
  return (host || before || start(url, MOST_OF_NO_URL)).toLowerCase();
}

type Check = (parts: Parts, url: string) => Mark | undefined;

const marking =
  (level: Mark["level"]) =>
  (short: string, long: string, theirs?: string): Mark => ({ level, short, long, ...(theirs && { theirs }) });
const danger = marking("danger");
const warning = marking("warning");
const note = marking("note");

const CHECKS: Check[] = [
  (_, url) =>
    ACTIVE.test(url.replace(/[\p{C}\s]/gu, ""))
      ? danger("runs or opens", "A browser runs or opens this, instead of reaching the app.")
      : undefined,
  ({ user }) =>
    user ? danger("text before @", "What stands before the @ is not the host.") : undefined,
  (_, url) =>
    url.includes("\\")
      ? danger("backslash", "Programs disagree on the host. A browser goes to", hostOfBrowsers(url))
      : undefined,
  ({ before, host }) =>
    before.toLowerCase() === "http://" && host && !LOOPBACK.test(host)
      ? danger("not encrypted", "Anybody on the network path can read what is sent there.")
      : undefined,
  ({ host }) =>
    decodedHost(host).split(".").some(mixesScripts)
      ? danger("mixed letters", "A part of the host mixes letters of different scripts.")
      : undefined,
  ({ host }) =>
    decodedHost(host) !== host
      ? warning("punycode", "This host stands for", decodedHost(host))
      : undefined,
  ({ host }, url) =>
    /[^\x20-\x7e]/.test(host)
      ? warning("not ASCII", "A browser goes to", hostOfBrowsers(url))
      : undefined,
  ({ host, before, after }) =>
    (host + after).includes("*") || before.includes("*")
      ? danger("asterisk", "It is not known which URLs this stands for.")
      : undefined,
  ({ after }) =>
    after.includes("#") ? warning("fragment", "A redirect URL has no part after a #.") : undefined,
  (_, url) =>
    SCHEME.test(url) ? undefined : warning("malformed", "This is not a URL: it has no scheme."),
  (_, url) =>
    /[\s\p{C}]/u.test(url) ? warning("forbidden characters", "No URL may hold these.") : undefined,
  ({ host }) => (LOOPBACK.test(host) ? note("this device", "A program on the user's device.") : undefined),
  ({ before, host }, url) =>
    !host && SCHEME.test(url) && !ACTIVE.test(url)
      ? note("own scheme", "An app on the user's device that opens", before)
      : undefined,
];

function hostOfBrowsers(url: string): string {
  try {
    return new URL(url).host || "no host";
  } catch {
    return "no host";
  }
}
