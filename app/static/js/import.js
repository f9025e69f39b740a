/* Importing a file: a file that is too large is told before it is sent, and a running import shows how far it is. */
const EVERY_MILLISECONDS = 1000;
const PHASES = { waiting: "Waiting for a worker", accounts: "Making accounts", rows: "Importing", done: "Done" };

const written = (number) => new Intl.NumberFormat(document.documentElement.lang === "en" ? "en-IN" : document.documentElement.lang).format(number);

const show = (page, state) => {
  page.querySelector("[data-import-phase]").textContent = PHASES[state.phase];
  for (const one of document.querySelectorAll("[data-import-count]")) one.textContent = written(state[one.dataset.importCount]);
  page.querySelector("progress").value = state.done;
};

const follow = async (page) => {
  try {
    const answer = await fetch(page.dataset.import, { headers: { Accept: "application/json" } });
    if (answer.ok) {
      const state = await answer.json();
      show(page, state);
      if (state.finished) return window.location.reload();
    }
  } catch {
    /* The network is away for a moment: the next question finds out. */
  }
  return window.setTimeout(() => follow(page), EVERY_MILLISECONDS);
};

const running = document.querySelector("[data-import]");
if (running) follow(running);

const tell = (field, message) => {
  let note = document.getElementById(`${field.id}-error`);
  if (!note && message) {
    note = document.createElement("div");
    note.className = "field-error";
    note.id = `${field.id}-error`;
    note.setAttribute("role", "alert");
    field.after(note);
  }
  if (note) note.textContent = message;
  field.setCustomValidity(message);
  field.classList.toggle("is-invalid", Boolean(message));
};

const checked = (field) => {
  const file = field.files[0];
  const large = file && file.size > Number(field.dataset.mostBytes);
  tell(field, large ? "The file is larger than 16 MB. Pack it with gzip, or split it." : "");
  return !large;
};

for (const field of document.querySelectorAll("input[type=file][data-most-bytes]")) {
  field.addEventListener("change", () => checked(field));
  field.form.addEventListener("submit", (event) => { if (!checked(field)) event.preventDefault(); });
}
