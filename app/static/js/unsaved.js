/* Whoever leaves a form that was changed is asked first. Forms that only search or select rows are left out. */
const dirty = new Set();

const counts = (form) => form instanceof HTMLFormElement && form.method === "post" && form.id !== "bulk";

document.addEventListener("input", (event) => {
  const { form } = event.target;
  if (counts(form) && event.target.type !== "hidden") dirty.add(form);
});

/* On the window, so that a form which waits for its confirmation (js/confirm.js) is still counted. */
window.addEventListener("submit", (event) => {
  if (!event.defaultPrevented) dirty.clear();
});

document.addEventListener("reset", (event) => dirty.delete(event.target));

window.addEventListener("beforeunload", (event) => {
  if ([...dirty].some((form) => form.isConnected)) event.preventDefault();
});
