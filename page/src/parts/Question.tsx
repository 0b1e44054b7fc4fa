// A question as a person reads it: the act, the facts, the consequence.

import { useLayoutEffect, useRef } from "preact/hooks";
import { readQuestion } from "../data/text/questions.ts";
import type { Question } from "../link/link.ts";
import { Theirs } from "./Theirs.tsx";

export function QuestionText({ text, titleId }: { text: string; titleId: string }) {
  const { act, facts, consequence } = readQuestion(text);
  return (
    <>
      <h2 id={titleId}>{act}</h2>
      <dl class="facts">
        {facts.map(([label, fact]) => (
          <>
            <dt>{label}</dt>
            <dd>
              <Theirs text={fact} limit={400} />
            </dd>
          </>
        ))}
      </dl>
      <p class="consequence">{consequence}</p>
    </>
  );
}

interface Props {
  question: Question;
  answer: (confirm: boolean) => void;
}

/** Escape and the button with the focus decline. Nothing confirms but a press on the button that says so. */
export function QuestionDialog({ question, answer }: Props) {
  const dialog = useRef<HTMLDialogElement>(null);
  const no = useRef<HTMLButtonElement>(null);
  useLayoutEffect(() => {
    const shown = dialog.current!;
    shown.showModal();
    no.current?.focus({ preventScroll: true });
    return () => shown.close(); // gives the focus back to where it was
  }, []);
  return (
    <dialog
      ref={dialog}
      class="question"
      aria-labelledby="question-title"
      onCancel={(event) => {
        event.preventDefault();
        answer(false);
      }}
    >
      <QuestionText text={question.text} titleId="question-title" />
      <p class="actions sticky end">
        <button type="button" ref={no} onClick={() => answer(false)}>
          No, do nothing
        </button>
        <button type="button" class="danger solid" onClick={() => answer(true)}>
          Yes, do it
        </button>
      </p>
    </dialog>
  );
}
