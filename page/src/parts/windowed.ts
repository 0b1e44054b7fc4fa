// Shows only the rows of a long table that can be seen.

import type { RefObject } from "preact";
import { useLayoutEffect, useState } from "preact/hooks";

const SPARE = 8;

export interface Windowed {
  first: number;
  end: number;
  /** Heights of what is left out before and after, in pixels. */
  before: number;
  after: number;
  rowHeight: number;
}

/** The rows to show, of a table in a scrolling element. All rows are as high as `.measure` in it. */
export function useWindow(scroller: RefObject<HTMLElement | null>, count: number): Windowed {
  const [{ top, height, rowHeight }, change] = useState({ top: 0, height: 800, rowHeight: 44 });

  useLayoutEffect(() => {
    const element = scroller.current;
    if (!element) return;
    const look = () => {
      const row = element.querySelector(".measure")?.getBoundingClientRect().height || 44;
      const seen = { top: element.scrollTop, height: element.clientHeight, rowHeight: row };
      change((last) => (sameRows(last, seen) ? last : seen));
    };
    look();
    const observer = new ResizeObserver(look);
    observer.observe(element);
    element.addEventListener("scroll", look, { passive: true });
    return () => {
      observer.disconnect();
      element.removeEventListener("scroll", look);
    };
  }, [scroller, count]);

  const first = Math.max(0, Math.min(count, Math.floor(top / rowHeight)) - SPARE);
  const end = Math.min(count, Math.ceil((top + height) / rowHeight) + SPARE);
  return { first, end, before: first * rowHeight, after: (count - end) * rowHeight, rowHeight };
}

interface Seen {
  top: number;
  height: number;
  rowHeight: number;
}

/** Whether the spare rows still cover what is seen, so that nothing needs to be drawn. */
function sameRows(last: Seen, seen: Seen): boolean {
  const moved = Math.abs(last.top - seen.top) / seen.rowHeight;
  return last.height === seen.height && last.rowHeight === seen.rowHeight && moved < SPARE / 2;
}
