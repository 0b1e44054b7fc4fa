// How a form is done. A host may show the page in a frame that may send no form, so none is ever sent.

/** Does it at the Enter key in a line of a form. The button of the form does it at a press. */
export const onEnter = (done: () => void) => (event: KeyboardEvent) => {
  const isLine = (event.target as HTMLElement).tagName === "INPUT";
  if (event.key !== "Enter" || event.isComposing || !isLine) return;
  event.preventDefault();
  done();
};
