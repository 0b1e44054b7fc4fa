// The findings: a picture of how many there are of each code, and a list that leads to the apps.

import { useState } from "preact/hooks";
import { type Finding, type ReviewedApps, SEVERITIES, type Severity } from "../data/apps.ts";
import { counted } from "../data/text/lifetime.ts";
import { NO_FILTERS } from "../data/table.ts";
import { Empty, Notice, Problem, Severe, Waiting } from "../parts/basics.tsx";
import { usePage, useStore } from "../parts/page.ts";
import { Theirs } from "../parts/Theirs.tsx";

const FIRST = 5;

interface Group {
  code: string;
  severity: Severity | undefined;
  count: number;
  findings: Finding[];
}

export function Review() {
  const { catalogue } = usePage();
  const { review, reviewFailure } = useStore(catalogue);
  const [chosen, choose] = useState<string | null>(null);
  if (reviewFailure) {
    return (
      <main class="single">
        <h1>Review</h1>
        <Problem failure={reviewFailure} again={() => void catalogue.loadReview()} />
      </main>
    );
  }
  if (!review) {
    return (
      <main class="single">
        <h1>Review</h1>
        <Waiting>Reviewing the apps…</Waiting>
      </main>
    );
  }
  const groups = groupsOf(review);
  const touched = new Set(review.findings.map(({ client_id }) => client_id)).size;
  const shown = groups.filter(({ code, severity }) => !chosen || chosen === code || chosen === severity);
  return (
    <main class="single">
      <div class="head">
        <h1>Review</h1>
        <p class="muted">
          {counted(sumOf(groups), "finding")}
          {review.not_told === 0 && ` in ${counted(touched, "app")}`}; {counted(review.scanned, "app")} reviewed.
          A finding is a reason to look, not a verdict.
        </p>
      </div>
      {review.note && (
        <Notice>
          <p>{review.note}</p>
        </Notice>
      )}
      {groups.length === 0 ? (
        <Empty title="Nothing found">No app is dangerous, odd or left open.</Empty>
      ) : (
        <>
          <Picture groups={groups} chosen={chosen} choose={choose} />
          {shown.map((group) => (
            <Found key={group.code} group={group} fix={review.fixes[group.code]} />
          ))}
          {review.not_told > 0 && (
            <p class="muted">
              The list had no room for {counted(review.not_told, "more finding")}; the picture counts them.
            </p>
          )}
        </>
      )}
    </main>
  );
}

function groupsOf({ findings, counts }: ReviewedApps): Group[] {
  const rank = ({ severity }: Group) => (severity ? SEVERITIES.indexOf(severity) : SEVERITIES.length);
  return Object.entries(counts)
    .map(([code, count]) => {
      const own = findings.filter((finding) => finding.code === code);
      return { code, count, findings: own, severity: own[0]?.severity };
    })
    .sort((a, b) => rank(a) - rank(b) || b.count - a.count);
}

const sumOf = (groups: Group[]) => groups.reduce((sum, { count }) => sum + count, 0);

interface PictureProps {
  groups: Group[];
  chosen: string | null;
  choose: (chosen: string | null) => void;
}

/** A bar for each code, as long as its count, under its severity. */
function Picture({ groups, chosen, choose }: PictureProps) {
  const most = Math.max(...groups.map(({ count }) => count));
  const toggle = (what: string) => choose(chosen === what ? null : what);
  const severities = [...SEVERITIES, undefined].filter((each) => groups.some(({ severity }) => severity === each));
  return (
    <section class="picture" aria-label="Findings by severity and code">
      {severities.map((severity) => {
        const own = groups.filter((group) => group.severity === severity);
        return (
          <div class={`severity ${severity ?? "unlisted"}`}>
            <h2>
              {severity ? (
                <button type="button" aria-pressed={chosen === severity} onClick={() => toggle(severity)}>
                  <Severe severity={severity} />
                  <span class="sum">{sumOf(own).toLocaleString("en")}</span>
                </button>
              ) : (
                "not listed"
              )}
            </h2>
            <ul>
              {own.map(({ code, count }) => (
                <li>
                  <button type="button" aria-pressed={chosen === code} onClick={() => toggle(code)}>
                    <span class="code">{code}</span>
                    <span class="track" aria-hidden="true">
                      <span class="bar" style={{ width: `${(100 * count) / most}%` }} />
                    </span>
                    <span class="number">{count.toLocaleString("en")}</span>
                  </button>
                </li>
              ))}
            </ul>
          </div>
        );
      })}
    </section>
  );
}

function Found({ group, fix }: { group: Group; fix: string | undefined }) {
  const { go, table } = usePage();
  const [all, showAll] = useState(false);
  const { code, severity, count, findings } = group;
  const showApps = () => {
    table.set({ filters: { ...NO_FILTERS, findings: code } });
    go({ view: "apps" });
  };
  const shown = all ? findings : findings.slice(0, FIRST);
  return (
    <section class="found" aria-labelledby={`found-${code}`}>
      <header>
        <h2 id={`found-${code}`}>
          <code>{code}</code>
        </h2>
        {severity && <Severe severity={severity} />}
        <span class="muted">{counted(count, "finding")}</span>
        <button type="button" class="link" onClick={showApps}>
          Show these apps in the table
        </button>
      </header>
      {fix && <p class="muted">{fix}</p>}
      <ul>
        {shown.map(({ client_id, client_name, fact }) => (
          <li>
            <button type="button" class="open" onClick={() => go({ view: "apps", app: client_id })}>
              {client_name ? <Theirs text={client_name} limit={80} brief /> : <em>No name</em>}
            </button>
            <p>
              <Theirs text={fact} limit={300} />
            </p>
          </li>
        ))}
      </ul>
      {findings.length > shown.length && (
        <button type="button" onClick={() => showAll(true)}>
          Show all {findings.length.toLocaleString("en")}
        </button>
      )}
    </section>
  );
}
