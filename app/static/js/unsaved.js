/* A form with data-warn-unsaved asks before its changes are lost. */
let changed = false;

for (const form of document.querySelectorAll("form[data-warn-unsaved]")) {
  form.addEventListener("input", () => { changed = true; });
  form.addEventListener("submit", () => { changed = false; });
}

window.addEventListener("beforeunload", (event) => {
  if (changed) event.preventDefault();
});
