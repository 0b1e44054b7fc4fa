// Moves the focus to what has just appeared, before a key can be pressed there.

import type { RefObject } from "preact";
import { useLayoutEffect, useRef } from "preact/hooks";

export function useFocus<T extends HTMLElement>(): RefObject<T | null> {
  const target = useRef<T>(null);
  useLayoutEffect(() => target.current?.focus({ preventScroll: true }), []);
  return target;
}
