// Copies a secret, and clears the clipboard after it where the browser allows.

let timer: ReturnType<typeof setTimeout> | undefined;

export async function copy(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return false;
  }
}

/** Clears the clipboard after some seconds. A page without the focus may not: then it does on return. */
export function clearClipboard(seconds: number, done: (cleared: boolean) => void): void {
  clearTimeout(timer);
  timer = setTimeout(() => {
    if (document.hasFocus()) void copy("").then(done);
    else window.addEventListener("focus", () => void copy("").then(done), { once: true });
  }, seconds * 1_000);
}
