/* A button that copies the value of a field; there only where the browser lets it. */
const TOLD_MILLISECONDS = 2000;

if (navigator.clipboard) {
  for (const button of document.querySelectorAll("[data-copy]")) button.hidden = false;
}

document.addEventListener("click", async (event) => {
  const button = event.target instanceof Element && event.target.closest("[data-copy]");
  if (!button) return;
  const field = document.getElementById(button.dataset.copy);
  const word = button.querySelector("span");
  const before = word.textContent;
  field.select();
  try {
    await navigator.clipboard.writeText(field.value);
    word.textContent = button.dataset.copied || "Copied";
  } catch {
    word.textContent = "Ctrl+C";
  }
  window.setTimeout(() => { word.textContent = before; }, TOLD_MILLISECONDS);
});
