// Moves the focus to what has just appeared.

import type { RefObject } from "preact";
import { useEffect, useRef } from "preact/hooks";

export function useFocus<T extends HTMLElement>(): RefObject<T | null> {
  const target = useRef<T>(null);
  useEffect(() => target.current?.focus({ preventScroll: true }), []);
  return target;
}
