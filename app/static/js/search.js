/* The search of the header (WAI-ARIA combobox): results stand beneath the box while one types, the arrows walk through
   them, Enter opens one. Ctrl-K goes to the box from everywhere. Without this script the form leads to a page. */
const WAIT_MS = 150;
const box = document.querySelector("[data-global-search]");
const input = box?.querySelector("input");
const list = box?.querySelector("[role=listbox]");
let timer = 0;
let serial = 0;

const options = () => [...list.querySelectorAll("a[role=option]")];

const close = () => {
  list.hidden = true;
  input.setAttribute("aria-expanded", "false");
  input.removeAttribute("aria-activedescendant");
};

const ask = async () => {
  const mine = (serial += 1);
  const term = input.value.trim();
  if (!term) {
    close();
    return;
  }
  const address = new URL(box.dataset.globalSearch, window.location.href);
  address.searchParams.set("q", term);
  const answer = await fetch(address).catch(() => null);
  if (mine !== serial || !answer?.ok || document.activeElement !== input) return;
  list.innerHTML = await answer.text(); /* our own escaped template */
  list.hidden = false;
  input.setAttribute("aria-expanded", "true");
  input.removeAttribute("aria-activedescendant");
};

const move = (step) => {
  const all = options();
  if (!all.length) return;
  const now = all.findIndex((one) => one.getAttribute("aria-selected") === "true");
  const next = now < 0 ? (step > 0 ? 0 : all.length - 1) : (now + step + all.length) % all.length;
  all.forEach((one, index) => one.setAttribute("aria-selected", String(index === next)));
  input.setAttribute("aria-activedescendant", all[next].id);
  all[next].scrollIntoView({ block: "nearest" });
};

if (box) {
  input.addEventListener("input", () => {
    window.clearTimeout(timer);
    timer = window.setTimeout(ask, WAIT_MS);
  });
  input.addEventListener("focus", () => {
    if (input.value.trim()) ask();
  });
  input.addEventListener("keydown", (event) => {
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      if (list.hidden) ask();
      else move(event.key === "ArrowDown" ? 1 : -1);
    } else if (event.key === "Enter" && !list.hidden) {
      const chosen = list.querySelector("a[aria-selected=true]");
      if (chosen) {
        event.preventDefault();
        chosen.click();
      }
    } else if (event.key === "Escape" && !list.hidden) {
      event.preventDefault();
      close();
    }
  });
  box.addEventListener("focusout", (event) => {
    if (!box.contains(event.relatedTarget)) close();
  });
  list.addEventListener("mousedown", (event) => event.preventDefault());
  document.addEventListener("keydown", (event) => {
    if (event.key.toLowerCase() === "k" && (event.ctrlKey || event.metaKey) && !event.altKey && !event.shiftKey) {
      event.preventDefault();
      input.focus();
      input.select();
    }
  });
}
