// What all views share.

import { createContext } from "preact";
import { useContext, useEffect, useState } from "preact/hooks";
import type { Act } from "../data/actions.ts";
import type { Catalogue } from "../data/catalogue.ts";
import type { Store } from "../data/store.ts";
import type { Filters, Order } from "../data/table.ts";
import type { About, Answer, Failure, Link, Outcome, Question } from "../link/link.ts";

export type View = "apps" | "review" | "approvals" | "audit";

/** Where the person is. */
export interface Route {
  view: View;
  app?: string;
  act?: Act;
}

/** What the table of apps shows. It stays while other views are open. */
export interface TableState {
  filters: Filters;
  order: Order;
}

export interface PageParts {
  link: Link;
  about: About;
  catalogue: Catalogue;
  table: Store<TableState>;
  route: Route;
  go(route: Route): void;
  /** Shows a question, and returns whether the person confirms. */
  ask(question: Question): Promise<boolean>;
  /** Says something to a person who listens to the page. */
  announce(text: string): void;
}

export const PageContext = createContext<PageParts>(null as unknown as PageParts);
export const usePage = () => useContext(PageContext);

export function useStore<T extends object>(store: Store<T>): T {
  const [value, change] = useState(store.now);
  useEffect(() => {
    change(store.now);
    return store.subscribe(() => change(store.now));
  }, [store]);
  return value;
}

/** Makes a call, asks the person what it asks, and makes it again with each answer. */
export async function carriedOut<T>(
  ask: PageParts["ask"],
  call: (answer?: Answer) => Promise<Outcome<T>>,
): Promise<{ result: T } | { error: Failure }> {
  let outcome = await call();
  while ("question" in outcome) {
    const { question } = outcome;
    const confirm = await ask(question);
    outcome = await call({ answer: question.id, confirm });
  }
  return outcome;
}

/** Reads something at once, and again on `again`. */
export function useOutcome<T>(
  read: () => Promise<Outcome<T>>,
  inputs: readonly unknown[],
): { result?: T; failure?: Failure; busy: boolean; again: () => void } {
  const [state, change] = useState<{ result?: T; failure?: Failure; busy: boolean }>({ busy: true });
  const [turn, turnOver] = useState(0);
  useEffect(() => {
    let current = true;
    change((last) => ({ ...last, busy: true }));
    void read().then((outcome) => {
      if (!current) return;
      if ("result" in outcome) change({ result: outcome.result, busy: false });
      else if ("error" in outcome) change({ failure: outcome.error, busy: false });
    });
    return () => {
      current = false;
    };
  }, [turn, ...inputs]);
  return { ...state, again: () => turnOver((last) => last + 1) };
}
