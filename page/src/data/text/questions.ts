// Takes a question apart: the act, a fact per line, and the consequence.

export interface ReadQuestion {
  act: string;
  facts: [label: string, fact: string][];
  consequence: string;
}

/** The server puts each fact on a line of its own, and no fact can look like another line. */
export function readQuestion(text: string): ReadQuestion {
  const lines = text.split("\n");
  const act = lines.shift() ?? "";
  const consequence = lines.length ? lines.pop()! : "";
  const facts = lines.map((line): [string, string] => {
    const [, label = "", fact = line] = /^([^:]+): (.*)$/s.exec(line) ?? [];
    return [label, fact];
  });
  return { act, facts, consequence };
}
