/* Keyboard shortcuts of the back office: "?" shows them. Never while somebody writes, and one can switch them off in
   their dialog (WCAG 2.1.4), which a cookie keeps. Links say their own key (data-key); the dialog lists the rest. */
const WAIT_MS = 1500;
const COOKIE = "shortcuts";
const dialog = document.getElementById("shortcuts-dialog");
const off = () => document.cookie.split("; ").includes(`${COOKIE}=off`);
let leading = 0;

const writing = (target) =>
  target.matches("input, select, textarea, [contenteditable], [role=combobox]") || document.querySelector("dialog[open]");

const help = () => {
  dialog.querySelector("[data-shortcuts-on]").checked = !off();
  dialog.showModal();
};

const go = (key) => {
  const link = dialog.querySelector(`a[data-go="${CSS.escape(key)}"]`);
  if (link) window.location.assign(link.href);
};

const walk = (step) => {
  const links = [...document.querySelectorAll(".model-list tbody .row-link")];
  if (!links.length) return;
  const now = links.findIndex((link) => link.closest("tr").contains(document.activeElement));
  const next = now < 0 ? (step > 0 ? 0 : links.length - 1) : Math.min(Math.max(now + step, 0), links.length - 1);
  links[next].focus();
};

const search = () => {
  const box = document.querySelector("[data-global-search] input") || document.querySelector("#list-search");
  box?.focus();
  box?.select();
};

const acts = { "?": help, "/": search, j: () => walk(1), k: () => walk(-1) };

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || !dialog) return;
  if (!(event.target instanceof Element) || writing(event.target) || off()) return;
  const { key } = event;
  if (leading && performance.now() - leading < WAIT_MS) {
    leading = 0;
    go(key);
    return;
  }
  leading = key === "g" ? performance.now() : 0;
  const link = ["n", "e"].includes(key) && document.querySelector(`a[data-key="${key}"]`);
  if (link) link.click();
  else if (Object.hasOwn(acts, key)) {
    event.preventDefault();
    acts[key]();
  }
});

document.addEventListener("click", (event) => {
  if (!dialog || !event.target.closest?.("a[href='#shortcuts']")) return;
  event.preventDefault();
  help();
});

dialog?.querySelector("[data-shortcuts-on]").addEventListener("change", (event) => {
  const secure = window.location.protocol === "https:" ? "; Secure" : "";
  const age = event.target.checked ? 0 : 31536000;
  document.cookie = `${COOKIE}=off; Path=/; Max-Age=${age}; SameSite=Lax${secure}`;
});
