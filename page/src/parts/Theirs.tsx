// The text of strangers: in a frame of its own, never as markup, with all that hides in it shown.

import { useState } from "preact/hooks";
import { counted } from "../data/text/lifetime.ts";
import { type Piece, pieces, start } from "../data/text/printable.ts";

const STEP = 10_000;

interface Props {
  text: string;
  /** Characters before it is cut. */
  limit?: number;
  /** Cut it without a way to see more: another view has that. */
  brief?: boolean;
  /** Keep its line breaks. */
  lines?: boolean;
}

export function Theirs({ text, limit = 300, brief, lines }: Props) {
  const [length, lengthen] = useState(limit);
  const shown = start(text, length);
  const isCut = shown.length < text.length;
  return (
    <>
      <bdi class={lines ? "theirs lines" : "theirs"}>
        {lines ? shown.split("\n").map((line) => <Line text={line} />) : <Pieces text={shown} />}
        {isCut && "…"}
      </bdi>
      {isCut && !brief && (
        <button type="button" class="link" onClick={() => lengthen(length + STEP)}>
          {text.length - length > STEP
            ? `Show ${counted(STEP, "more character")} of ${text.length.toLocaleString("en")}`
            : `Show all ${counted(text.length, "character")}`}
        </button>
      )}
    </>
  );
}

/** A name that the server or the service makes: in plain sight if it is as it should be. */
export const Ours = ({ text }: { text: string }) =>
  /^[\w.:-]{1,128}$/.test(text) ? <code class="ours">{text}</code> : <Theirs text={text} />;

const Line = ({ text }: { text: string }) => (
  <span class="line">
    <Pieces text={text.replace(/\r$/, "")} />
  </span>
);

export const Pieces = ({ text }: { text: string }) => <>{pieces(text).map(shownPiece)}</>;

function shownPiece(piece: Piece) {
  if (piece.kind === "text") return piece.text;
  return (
    <span class={piece.kind} title={piece.title}>
      {piece.text}
    </span>
  );
}
