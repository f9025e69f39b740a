/* Cells that edit in place: a pencil, a field from the page's own template, and a POST with its token. */
const pencil = () => {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "inline-edit";
  button.dataset.inlineEdit = "";
  button.setAttribute("aria-label", "Edit this cell");
  const sprite = new URL("../vendor/tabler-icons/icons.svg#edit", import.meta.url).href;
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  use.setAttribute("href", sprite);
  svg.append(use);
  button.append(svg);
  return button;
};

const templateOf = (cell) => document.querySelector(`template[data-inline-field="${CSS.escape(cell.dataset.inline)}"]`);

const start = (cell) => {
  const template = templateOf(cell);
  const field = template.content.querySelector("input:not([type=hidden]), select, textarea").cloneNode(true);
  const before = [...cell.childNodes];
  const shown = cell.textContent.trim();
  field.removeAttribute("id");
  field.value = shown === "–" ? "" : shown;
  if (field.tagName === "SELECT") {
    const match = [...field.options].find((option) => option.textContent === shown);
    if (match) field.value = match.value;
  }
  cell.replaceChildren(field);
  field.focus();

  const stop = () => cell.replaceChildren(...before);
  const save = async () => {
    const body = new FormData();
    body.set("csrf_token", template.dataset.token);
    body.set("column", cell.dataset.inline);
    body.set("id", cell.dataset.key);
    body.set(field.name, field.value);
    const answer = await fetch(template.dataset.url, { method: "POST", body, headers: { Accept: "application/json" } });
    const said = await answer.json().catch(() => ({ error: "This was not saved. Load the page again and retry." }));
    if (answer.ok) {
      cell.innerHTML = said.html; /* our own escaped Markup */
      cell.append(pencil());
      return;
    }
    field.classList.add("is-invalid");
    field.setCustomValidity(said.error);
    field.reportValidity();
  };

  field.addEventListener("input", () => field.setCustomValidity(""));
  field.addEventListener("keydown", (event) => {
    if (event.key === "Escape") stop();
    if (event.key === "Enter") {
      event.preventDefault();
      save();
    }
  });
  if (field.tagName === "SELECT") field.addEventListener("change", save);
};

for (const cell of document.querySelectorAll("[data-inline]")) if (templateOf(cell)) cell.append(pencil());

document.addEventListener("click", (event) => {
  const button = event.target.closest?.("[data-inline-edit]");
  if (!button) return;
  const cell = button.closest("[data-inline]");
  start(cell);
});
