/* Forms, or their buttons, with data-confirm ask first, in one native dialog that says what will happen.
   data-confirm-title and data-confirm-accept name the question and the button. */
const dialog = document.getElementById("confirm-dialog");

const ask = ({ title, text, accept, danger }) =>
  new Promise((resolve) => {
    const button = dialog.querySelector("#confirm-accept");
    dialog.querySelector("#confirm-title").textContent = title || "Are you sure?";
    dialog.querySelector("#confirm-text").textContent = text;
    button.textContent = accept || "Continue";
    button.classList.toggle("btn-danger", danger);
    button.classList.toggle("btn-primary", !danger);
    dialog.returnValue = "cancel";
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "confirm"), { once: true });
    dialog.showModal();
  });

const settings = ({ dataset }) => ({
  title: dataset.confirmTitle,
  text: dataset.confirm,
  accept: dataset.confirmAccept,
  danger: "confirmDanger" in dataset,
});

document.addEventListener("submit", async (event) => {
  const form = event.target;
  const button = event.submitter;
  const source = button?.dataset.confirm ? button : form;
  if (!source.dataset.confirm || form.dataset.confirmed) return;
  event.preventDefault();
  if (await ask(settings(source))) {
    form.dataset.confirmed = "yes";
    form.requestSubmit(button || undefined);
  }
});

/* A second click on the same button must not post twice. */
document.addEventListener("submit", (event) => {
  if (event.defaultPrevented || event.target.method !== "post") return;
  const button = event.submitter;
  if (button) window.setTimeout(() => { button.disabled = true; });
});

window.addEventListener("pageshow", () => {
  for (const form of document.querySelectorAll("form[data-confirmed]")) delete form.dataset.confirmed;
  for (const button of document.querySelectorAll("form button:disabled:not([data-keep-disabled])")) button.disabled = false;
});
