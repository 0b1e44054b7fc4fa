// A rotation as a timeline: what is done, what comes next, and how it ends.

import type { ComponentChildren } from "preact";
import { type App, type Delivery, isRotating } from "../data/apps.ts";
import { localTime } from "../data/text/lifetime.ts";
import { Ours, Theirs } from "../parts/Theirs.tsx";

export function Rotation({ app }: { app: App }) {
  const { client_secret_last_four: current, next_client_secret_last_four: next } = app;
  const deliveries = app.deliveries ?? [];
  const of = (lastFour: string | undefined) => deliveries.filter((each) => each.last_four === lastFour);
  const others = deliveries.filter((each) => each.last_four !== current && each.last_four !== next);
  if (!isRotating(app)) {
    return (
      <ol class="timeline">
        <Step state="now" title="One secret">
          <LastFour text={current} /> is the only secret that works.
          <Deliveries deliveries={of(current)} />
        </Step>
        {others.length > 0 && <Stale deliveries={others} />}
      </ol>
    );
  }
  return (
    <ol class="timeline">
      <Step state="done" title="Current secret">
        <LastFour text={current} /> works until the rotation is complete.
        <Deliveries deliveries={of(current)} />
      </Step>
      <Step state="done" title="Next secret">
        <LastFour text={next} /> works beside it since the rotation started.
        <Deliveries deliveries={of(next)} />
      </Step>
      <Step state="now" title="Bring the next secret to wherever the app runs">
        Deliver it, or copy it. Both secrets work meanwhile.
      </Step>
      <Step state="later" title="Complete the rotation">
        Then <LastFour text={current} /> stops working at once, and <LastFour text={next} /> stays.
      </Step>
      {others.length > 0 && <Stale deliveries={others} />}
    </ol>
  );
}

const WORDS = { done: "Done", now: "Now", later: "Later", stale: "Look" };

interface StepProps {
  state: keyof typeof WORDS;
  title: string;
  children: ComponentChildren;
}

const Step = ({ state, title, children }: StepProps) => (
  <li class={state}>
    <p>
      <strong>{title}</strong> <span class="when">{WORDS[state]}</span>
    </p>
    <div>{children}</div>
  </li>
);

const Stale = ({ deliveries }: { deliveries: Delivery[] }) => (
  <Step state="stale" title="Destinations with another secret">
    What these have does not work, unless somebody changed it since.
    <Deliveries deliveries={deliveries} />
  </Step>
);

export const LastFour = ({ text }: { text: string | undefined }) =>
  text ? (
    <code class="last-four">
      …<Theirs text={text} limit={12} brief />
    </code>
  ) : (
    <em>A secret</em>
  );

const Deliveries = ({ deliveries }: { deliveries: Delivery[] }) =>
  deliveries.length ? (
    <ul class="deliveries">
      {deliveries.map(({ destination, delivered_at, last_four }) => (
        <li>
          <LastFour text={last_four} /> delivered to <Ours text={destination} />{" "}
          <time dateTime={delivered_at}>{localTime(delivered_at)}</time>
        </li>
      ))}
    </ul>
  ) : null;
