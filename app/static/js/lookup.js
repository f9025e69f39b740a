/* A combobox (WAI-ARIA 1.2, list autocomplete) that looks records up while one types; the chosen id rides in the hidden input. */
const WAIT_MS = 180;
let serial = 0;
let timer;

const parts = (box) => ({
  text: box.querySelector("[role=combobox]"),
  id: box.querySelector("input[type=hidden]"),
  list: box.querySelector("[role=listbox]"),
});

const close = ({ text, list }) => {
  list.hidden = true;
  text.setAttribute("aria-expanded", "false");
  text.removeAttribute("aria-activedescendant");
};

const choose = (box, option) => {
  // What was asked for while typing comes too late to be shown.
  window.clearTimeout(timer);
  serial += 1;
  const { text, id } = parts(box);
  id.value = option.dataset.id;
  text.value = option.textContent;
  text.dataset.chosen = option.textContent;
  close(parts(box));
  id.dispatchEvent(new Event("change", { bubbles: true }));
};

const show = (box, pairs) => {
  const { text, list } = parts(box);
  list.replaceChildren(
    ...pairs.map(([id, label], index) => {
      const option = document.createElement("li");
      option.id = `${list.id}-${index}`;
      option.role = "option";
      option.dataset.id = id;
      option.textContent = label;
      return option;
    }),
  );
  if (!pairs.length) {
    const none = document.createElement("li");
    none.className = "lookup-none";
    none.textContent = "Nothing starts with this";
    list.append(none);
  }
  list.hidden = false;
  text.setAttribute("aria-expanded", "true");
};

const ask = async (box) => {
  const { text } = parts(box);
  const mine = (serial += 1);
  const address = new URL(text.dataset.lookupUrl, window.location.href);
  address.searchParams.set("query", text.value);
  const answer = await fetch(address, { headers: { Accept: "application/json" } });
  if (mine === serial && answer.ok && document.activeElement === text) show(box, await answer.json());
};

const move = (box, step) => {
  const { text, list } = parts(box);
  const options = [...list.querySelectorAll("[role=option]")];
  if (!options.length) return;
  const now = options.findIndex((option) => option.getAttribute("aria-selected") === "true");
  const next = options[(now + step + options.length) % options.length];
  for (const option of options) option.setAttribute("aria-selected", String(option === next));
  text.setAttribute("aria-activedescendant", next.id);
  next.scrollIntoView({ block: "nearest" });
};

document.addEventListener("input", (event) => {
  const box = event.target.closest?.("[data-lookup]");
  if (!box || event.target.role !== "combobox") return;
  parts(box).id.value = "";
  window.clearTimeout(timer);
  timer = window.setTimeout(ask, WAIT_MS, box);
});

document.addEventListener("focusin", (event) => {
  const box = event.target.closest?.("[data-lookup]");
  if (box && event.target.role === "combobox" && !event.target.value) ask(box);
});

document.addEventListener("focusout", (event) => {
  const box = event.target.closest?.("[data-lookup]");
  if (!box || box.contains(event.relatedTarget)) return;
  const { text, id } = parts(box);
  if (!id.value) text.value = "";
  close(parts(box));
});

document.addEventListener("keydown", (event) => {
  const box = event.target.closest?.("[data-lookup]");
  if (!box || event.target.role !== "combobox") return;
  const { list } = parts(box);
  if (event.key === "ArrowDown" || event.key === "ArrowUp") {
    event.preventDefault();
    if (list.hidden) ask(box);
    else move(box, event.key === "ArrowDown" ? 1 : -1);
  } else if (event.key === "Enter" && !list.hidden) {
    const option = list.querySelector("[aria-selected=true]");
    if (option) {
      event.preventDefault();
      choose(box, option);
    }
  } else if (event.key === "Escape") {
    close(parts(box));
  }
});

document.addEventListener("mousedown", (event) => {
  const option = event.target.closest?.(".lookup-list [role=option]");
  if (!option) return;
  event.preventDefault();
  choose(option.closest("[data-lookup]"), option);
});

/* Who was quicker than this script has typed already. */
const quick = document.activeElement?.closest?.("[data-lookup]");
if (quick && document.activeElement.role === "combobox") ask(quick);
