// A URL as it is written, with the host set apart, and what is odd about it.

import { start } from "../data/text/printable.ts";
import { marksOf, partsOf } from "../data/text/urls.ts";
import { Pieces, Theirs } from "./Theirs.tsx";

const MOST = 240;

export function Url({ url, bare }: { url: string; bare?: boolean }) {
  return (
    <div class="address">
      <Written url={url} />
      {!bare && <Marks url={url} />}
    </div>
  );
}

function Written({ url }: { url: string }) {
  if (url.length > MOST) return <LongUrl url={url} />;
  const { before, user, host, after } = partsOf(url);
  return (
    <span class="theirs url" dir="ltr">
      <Part text={before} kind="dim" />
      <Part text={user} kind="user" />
      <Part text={host} kind="host" />
      <Part text={after} kind="dim" />
    </span>
  );
}

/** Its host first, and then the whole of it, which can be shown. */
function LongUrl({ url }: { url: string }) {
  const { host } = partsOf(url);
  return (
    <span class="long-url">
      {host && (
        <span class="theirs url" dir="ltr">
          <Part text={start(host, MOST)} kind="host" />
        </span>
      )}
      <Theirs text={url} limit={MOST} />
    </span>
  );
}

const Part = ({ text, kind }: { text: string; kind: string }) =>
  text ? (
    <bdi dir="ltr" class={kind}>
      <Pieces text={text} />
    </bdi>
  ) : null;

function Marks({ url }: { url: string }) {
  const marks = marksOf(url);
  if (!marks.length) return null;
  return (
    <ul class="marks">
      {marks.map(({ level, short, long, theirs }) => (
        <li class={`mark ${level}`}>
          <strong>{short}</strong> {long} {theirs && <Theirs text={theirs} limit={120} brief />}
        </li>
      ))}
    </ul>
  );
}
