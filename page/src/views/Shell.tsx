// The frame around the views: where the person is, which project it is, and what happens meanwhile.

import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { Catalogue } from "../data/catalogue.ts";
import { Store } from "../data/store.ts";
import { type Filters, NO_FILTERS } from "../data/table.ts";
import {
  type About,
  type DisplayMode,
  ENDED,
  type Failure,
  type Link,
  type Question,
  type Shown,
  UNREACHABLE,
} from "../link/link.ts";
import { Icon, Problem, Waiting } from "../parts/basics.tsx";
import { PageContext, type Route, type TableState, type View, useOutcome } from "../parts/page.ts";
import { QuestionDialog } from "../parts/Question.tsx";
import { Ours } from "../parts/Theirs.tsx";
import { Apps } from "./Apps.tsx";
import { Approvals, useWaiting } from "./Approvals.tsx";
import { Audit } from "./Audit.tsx";
import { Review } from "./Review.tsx";

export function Shell({ link }: { link: Link }) {
  const { result: about, failure, again } = useOutcome(() => link.about(), []);
  if (about) return <Page link={link} about={about} />;
  return (
    <main class="single">
      <h1 class="unseen">Connected Apps</h1>
      {failure ? <Problem failure={failure} again={again} /> : <Waiting>Opening…</Waiting>}
    </main>
  );
}

function Page({ link, about }: { link: Link; about: About }) {
  const [route, go] = useRoute();
  const [said, announce] = useAnnouncements();
  const [asked, ask, answer] = useQuestion();
  const catalogue = useMemo(() => watched(new Catalogue(link), link), [link]);
  const table = useMemo(
    () => new Store<TableState>({ filters: NO_FILTERS, order: { by: "name", descending: false } }),
    [link],
  );
  const waiting = useWaiting(link);
  const lost = useReachable(link, catalogue);
  useEffect(() => void catalogue.load(), [catalogue]);
  useEffect(
    () =>
      link.listen((event) => {
        if (event.kind !== "shown") return;
        table.set({ filters: filtersOf(event) });
        go(routeOf(event));
      }),
    [link],
  );
  useEffect(
    () =>
      link.listen((event) => {
        // Nothing takes away what the person is about to do.
        if (event.kind !== "open" || asked || route.act) return;
        go({ view: "apps", app: event.client_id });
        announce("A link has opened this app.");
        event.opened();
      }),
    [link, asked, route],
  );

  return (
    <PageContext.Provider value={{ link, about, catalogue, table, route, go, ask, announce }}>
      <Top about={about} route={route} go={go} link={link} waiting={waiting.result?.length ?? 0} />
      {lost && <Lost failure={lost} again={() => void catalogue.load()} />}
      {route.view === "apps" && (
        <main class="whole">
          <Apps />
        </main>
      )}
      {route.view === "review" && <Review />}
      {route.view === "approvals" && <Approvals waiting={waiting} />}
      {route.view === "audit" && <Audit />}
      <div class="toast" role="status">
        {said && (
          <p>
            <Icon name="check" />
            {said}
          </p>
        )}
      </div>
      {asked && <QuestionDialog key={asked.id} question={asked} answer={answer} />}
    </PageContext.Provider>
  );
}

interface TopProps {
  about: About;
  route: Route;
  go: (route: Route) => void;
  link: Link;
  waiting: number;
}

const LABELS: Record<View, string> = {
  apps: "Apps",
  review: "Review",
  approvals: "Approvals",
  audit: "Audit",
};

function Top({ about, route, go, link, waiting }: TopProps) {
  const views: View[] = [
    "apps",
    "review",
    ...(link.approvals ? (["approvals"] as const) : []),
    ...(link.audit ? (["audit"] as const) : []),
  ];
  return (
    <header class="top">
      <p class="title">Connected Apps</p>
      <nav aria-label="Views">
        {views.map((view) => (
          <button
            type="button"
            aria-current={route.view === view ? "page" : undefined}
            onClick={() => go({ view })}
          >
            {LABELS[view]}
            {view === "approvals" && waiting > 0 && (
              <span class="badge">
                {waiting}
                <span class="unseen"> waiting</span>
              </span>
            )}
          </button>
        ))}
      </nav>
      <p class="project">
        <span class={`environment ${about.environment}`}>{about.environment}</span>
        <Ours text={about.project_id} />
      </p>
      {link.display && <Display link={link} />}
    </header>
  );
}

function Display({ link }: { link: Link }) {
  const now = document.documentElement.dataset.display as DisplayMode | undefined;
  const [mode, change] = useState<DisplayMode>(now ?? "inline");
  useEffect(() => link.listen((event) => event.kind === "display" && change(event.mode)), [link]);
  const other = mode === "inline" ? "fullscreen" : "inline";
  return (
    <button type="button" onClick={() => void link.display?.(other)}>
      {other === "inline" ? "Back to the conversation" : "Full screen"}
    </button>
  );
}

const Lost = ({ failure, again }: { failure: Failure; again: () => void }) => (
  <div class="lost" role="alert">
    <p>
      <strong>{failure.message}</strong> What you see may be old. {failure.hint}
    </p>
    {failure.error !== ENDED && (
      <button type="button" onClick={again}>
        Try again
      </button>
    )}
  </div>
);

/** The history of the browser holds the way, so that Back works and a reload stays. Back of a host is for the host. */
function useRoute(): [Route, (route: Route) => void] {
  const [route, change] = useState<Route>(() => (history.state as Route | null) ?? { view: "apps" });
  useEffect(() => {
    const back = (event: PopStateEvent) => change((event.state as Route | null) ?? { view: "apps" });
    window.addEventListener("popstate", back);
    return () => window.removeEventListener("popstate", back);
  }, []);
  const go = (next: Route) => {
    if (window === window.top) history.pushState(next, "");
    else history.replaceState(next, "");
    change(next);
  };
  return [route, go];
}

function useAnnouncements(): [string, (text: string) => void] {
  const [said, say] = useState("");
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  const announce = (text: string) => {
    say(text);
    clearTimeout(timer.current);
    timer.current = setTimeout(() => say(""), 8_000);
  };
  return [said, announce];
}

/** One question at a time. */
function useQuestion() {
  const [asked, show] = useState<Question | null>(null);
  const settle = useRef<(confirm: boolean) => void>(undefined);
  const ask = (question: Question) =>
    new Promise<boolean>((resolve) => {
      settle.current = (confirm) => {
        show(null);
        resolve(confirm);
      };
      show(question);
    });
  return [asked, ask, (confirm: boolean) => settle.current?.(confirm)] as const;
}

function useReachable(link: Link, catalogue: Catalogue): Failure | null {
  const [lost, lose] = useState<Failure | null>(null);
  useEffect(
    () =>
      link.listen((event) => {
        if (event.kind === "reachable") lose(event.failure);
      }),
    [link],
  );
  useEffect(
    () =>
      catalogue.subscribe(() => {
        const { failure } = catalogue.now;
        const isLost = failure?.error === ENDED || failure?.error === UNREACHABLE;
        if (isLost && catalogue.now.rows.length) lose(failure);
        else if (!failure) lose(null);
      }),
    [catalogue],
  );
  return lost;
}

/** An app that changed elsewhere is read again, or all where there are new ones; so are the findings. */
function watched(catalogue: Catalogue, link: Link): Catalogue {
  let timer: ReturnType<typeof setTimeout>;
  link.listen((event) => {
    if (event.kind === "apps") void catalogue.load();
    if (event.kind !== "app") return;
    clearTimeout(timer);
    timer = setTimeout(() => void catalogue.loadReview(), 500);
    void link.call<{ app: never }>("get_app", { client_id: event.client_id }).then((outcome) => {
      if ("result" in outcome) catalogue.put(event.client_id, outcome.result.app);
      else if ("error" in outcome && /not_found/.test(outcome.error.error)) {
        catalogue.put(event.client_id, undefined);
      }
    });
  });
  return catalogue;
}

interface ResultFields {
  findings: unknown;
  apps: unknown;
  app: { client_id?: string };
  deleted: boolean;
}

/** The view that shows a result of the conversation. */
function routeOf({ arguments: given, result }: Shown): Route {
  const { findings, app, deleted } = (result ?? {}) as Partial<ResultFields>;
  if (findings) return { view: "review" };
  const clientId = deleted ? undefined : (app?.client_id ?? given.client_id);
  return { view: "apps", ...(typeof clientId === "string" && { app: clientId }) };
}

/** The filters that leave what a search of the conversation found. */
function filtersOf({ arguments: given, result }: Shown): Filters {
  if (!(result as Partial<ResultFields> | null)?.apps) return NO_FILTERS;
  const text = (name: string) => (typeof given[name] === "string" ? given[name] : "");
  const rotation = { true: "yes", false: "no" }[String(given.rotating)] as Filters["rotation"] | undefined;
  return {
    ...NO_FILTERS,
    words: text("query"),
    type: text("client_type"),
    host: text("redirect_host"),
    rotation: rotation ?? "",
  };
}
