/* The form that makes an invoice: the preview follows what is typed, lines come and go without loading the page.
   The server works everything out; without this script the buttons do the same. */
const WAIT_MS = 350;
const form = document.querySelector("form[data-generate]");
const preview = form.querySelector("[data-preview]");
const state = form.querySelector("[data-preview-state]");
const touched = new Set();
let timer = 0;
let serial = 0;

const tell = (field, message) => {
  const id = `${field.id}-error`;
  let note = document.getElementById(id);
  if (!message) {
    note?.remove();
    field.removeAttribute("aria-invalid");
    field.classList.remove("is-invalid");
    return;
  }
  if (!note) {
    note = document.createElement("div");
    note.className = "field-error";
    note.id = id;
    field.after(note);
  }
  note.textContent = message;
  field.setAttribute("aria-invalid", "true");
  field.setAttribute("aria-describedby", id);
  field.classList.add("is-invalid");
};

/* Only a field that was left is told what is wrong with it: who is still typing knows. */
const mark = (fields) => {
  for (const field of form.querySelectorAll("input[id]")) {
    const mine = touched.has(field.id) && field !== document.activeElement;
    tell(field, mine || !fields[field.id] ? fields[field.id] : "");
  }
};

const look = async () => {
  const mine = (serial += 1);
  const section = preview.closest("[aria-busy]");
  section.setAttribute("aria-busy", "true");
  state.textContent = "Working it out…";
  try {
    const answer = await fetch(form.dataset.generate, { method: "POST", body: new FormData(form) });
    if (mine !== serial) return;
    if (!answer.ok) throw new Error(String(answer.status));
    const said = await answer.json();
    const wrong = Object.keys(said.fields).length;
    if (!wrong || !preview.querySelector("table")) preview.innerHTML = said.html; /* our own escaped template */
    mark(said.fields);
    state.textContent = wrong ? "Waits for the fields" : "Nothing is billed yet";
  } catch {
    if (mine === serial) state.textContent = "No connection: press Preview";
  } finally {
    if (mine === serial) section.setAttribute("aria-busy", "false");
  }
};

const later = () => {
  window.clearTimeout(timer);
  timer = window.setTimeout(look, WAIT_MS);
};

const add = (button) => {
  const number = button.dataset.addLine;
  button.dataset.addLine = String(Number(number) + 1);
  const html = form.querySelector("[data-line-template]").innerHTML.replaceAll("NUMBER", number);
  const lines = form.querySelector("[data-lines]");
  lines.insertAdjacentHTML("beforeend", html);
  lines.lastElementChild.querySelector("input").focus();
};

const remove = (line) => {
  const next = line.nextElementSibling?.querySelector("input") || form.querySelector("[data-add-line]");
  line.remove();
  next.focus();
  look();
};

form.addEventListener("input", later);
form.addEventListener("change", (event) => {
  touched.add(event.target.id);
  later();
});
form.addEventListener("focusout", (event) => {
  if (event.target.value) touched.add(event.target.id);
});
form.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (!button || !("addLine" in button.dataset || "removeLine" in button.dataset)) return;
  event.preventDefault();
  if ("addLine" in button.dataset) add(button);
  else remove(button.closest("[data-line]"));
});

/* A form that came with values, from a link or after a refusal, shows at once what they come to. */
if (form.querySelector("input[name=account]").value && !preview.querySelector("table")) {
  for (const field of form.querySelectorAll("input[id]")) if (field.value) touched.add(field.id);
  look();
}
