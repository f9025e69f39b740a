/* The plan editor: a draft version as cards that are added, ordered and removed, saved as a whole, with a live quote. */
import { clearErrors, find, make, mark } from "./dom.js";
import { draw, titleOf } from "./component.js";
import { Quote, somewhat } from "./quote.js";

const root = document.querySelector("[data-plan-editor]");
const setup = JSON.parse(root.dataset.planEditor);
const list = root.querySelector("[data-components]");
const status = root.querySelector("[data-status]");
const form = root.querySelector("form");
let cards = [];
let serial = 0;
let saved = "";
let refused = [];

const cardOf = (row) => ({ id: `c${(serial += 1)}`, row, used: [somewhat()], touched: new Set() });
const versionFields = () => [...root.querySelectorAll("[data-version-field]")];
const version = () =>
  Object.fromEntries(versionFields().map((one) => [one.dataset.versionField, one.type === "checkbox" ? one.checked : one.value || null]));
const content = () => ({ version: version(), components: cards.map((card) => card.row) });
const isChanged = () => JSON.stringify(content()) !== saved;

const post = async (address, body) => {
  try {
    const answer = await fetch(address, {
      method: "POST",
      headers: { "Content-Type": "application/json", Accept: "application/json", "X-CSRFToken": form.elements.csrf_token.value },
      body: JSON.stringify(body),
    });
    if (answer.headers.get("Content-Type")?.startsWith("application/json")) return { ok: answer.ok, ...(await answer.json()) };
    return { ok: false, message: answer.status === 403 || answer.redirected ? "Your session has ended. Sign in again in another tab, then try again." : "The server could not answer. Try again." };
  } catch {
    return { ok: false, message: "The server cannot be reached. Try again." };
  }
};

const tellState = () => {
  const changed = isChanged();
  root.querySelector("[data-unsaved]").hidden = !changed;
};

const elementOf = (card) => list.querySelector(`[data-card="${card.id}"]`);

/* Put refusals at their fields. While somebody types, only at fields that they have been at. */
const place = (fields, everywhere) => {
  clearErrors(form);
  const marked = [];
  for (const { pointer, message } of fields) {
    const [, part, index, ...rest] = pointer.split("/");
    if (part === "used") continue;
    const card = part === "components" ? cards[Number(index)] : null;
    const path = rest.join("/");
    if (card && !everywhere && !card.touched.has(path)) continue;
    const target = card
      ? (path && find(elementOf(card), path)) || elementOf(card)
      : root.querySelector(`[data-version-row="${CSS.escape(part ?? "")}"]`);
    if (target) marked.push(mark(target, message));
    else if (everywhere) status.textContent = message;
  }
  return marked;
};

const quote = new Quote(root.querySelector("[data-quote]"), setup, async (asked) => {
  if (!cards.length) return { lines: [], total_shown: "–" };
  const { version: stated, components } = content();
  const answer = await post(setup.quote, { ...asked, components, charge_zero_first_tier: stated.charge_zero_first_tier });
  refused = answer.fields ?? [];
  place(refused, false);
  return answer;
});

const act = {
  changed: () => {
    tellState();
    quote.later();
  },
  renamed: (card) => {
    elementOf(card).querySelector("[data-title]").textContent = `${cards.indexOf(card) + 1}. ${titleOf(card.row, setup)}`;
    quote.rename(card);
  },
  redraw: (card, focus) => {
    const fresh = draw(card, cards.indexOf(card), cards.length, setup, act);
    elementOf(card).replaceWith(fresh);
    if (focus) find(fresh, focus)?.querySelector("input, select")?.focus();
    tellState();
    quote.arrange(cards);
  },
  move: (card, step) => {
    const at = cards.indexOf(card);
    cards.splice(at, 1);
    cards.splice(at + step, 0, card);
    drawAll();
    const tools = elementOf(card).querySelectorAll(".plan-tools button:not(:disabled)");
    const wanted = [...tools].find((one) => one.title.startsWith(step < 0 ? "Move up" : "Move down")) ?? tools[0];
    wanted.focus();
    status.textContent = `${titleOf(card.row, setup)} is now number ${at + step + 1}.`;
  },
  copy: (card) => {
    const fresh = cardOf({ ...structuredClone(card.row), code: undefined });
    cards.splice(cards.indexOf(card) + 1, 0, fresh);
    show(fresh);
  },
  remove: (card) => {
    const at = cards.indexOf(card);
    cards.splice(at, 1);
    drawAll();
    (cards[at] ? elementOf(cards[at]) : root.querySelector("[data-add=usage]")).focus();
    status.textContent = `${titleOf(card.row, setup)} was removed. Nothing is changed until you save.`;
  },
};

const drawAll = () => {
  list.replaceChildren(...cards.map((card, n) => draw(card, n, cards.length, setup, act)));
  root.querySelector("[data-none]").hidden = cards.length > 0;
  tellState();
  quote.arrange(cards);
};

const show = (card) => {
  drawAll();
  elementOf(card).querySelector("select").focus();
};

const fresh = (kind) => {
  const currency = cards.at(-1)?.row.currency ?? "INR";
  const metric = setup.metrics[0]?.code ?? null;
  if (kind === "fee" || !metric) return { kind: "fixed", metric: null, model: "flat", currency, filters: {}, timing: "advance", prorated: true };
  return { kind: "usage", metric, model: "per_unit" in setup.models ? "per_unit" : Object.keys(setup.models)[0], currency, filters: {} };
};

const load = (said) => {
  cards = said.components.map((row, n) => ({ ...cardOf(row), ...(cards.length === said.components.length ? { used: cards[n].used } : {}) }));
  for (const one of versionFields()) {
    const value = said.version[one.dataset.versionField];
    if (one.type === "checkbox") one.checked = value;
    else one.value = value ?? "";
  }
  setup.mark = said.mark;
  saved = JSON.stringify(content());
  drawAll();
};

/* Return whether everything that stands on the page is saved. */
const save = async () => {
  if (!isChanged() && !refused.length) return true;
  status.textContent = "Saving…";
  const answer = await post(setup.save, { ...content(), mark: setup.mark });
  if (answer.ok) {
    load(answer);
    status.textContent = "Saved.";
    return true;
  }
  status.textContent = answer.message;
  const [first] = place(answer.fields ?? [], true);
  for (const card of cards) for (const one of elementOf(card).querySelectorAll("[data-path]")) card.touched.add(one.dataset.path);
  first?.closest("details")?.setAttribute("open", "");
  first?.focus();
  return false;
};

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  await save();
});
root.querySelector("[data-publish]").addEventListener("click", async (event) => {
  event.preventDefault();
  if (await save()) window.location.assign(setup.publish);
});
for (const one of root.querySelectorAll("[data-add]")) {
  one.addEventListener("click", () => {
    const card = cardOf(fresh(one.dataset.add));
    cards.push(card);
    show(card);
  });
}
root.querySelector("[data-copy-list]").addEventListener("click", () => {
  const wanted = root.querySelector("[data-copy-currency]").value;
  const [first] = cards;
  const missing = cards.filter(({ row }) => row.currency === first.row.currency && !cards.some((other) => other.row.code === row.code && other.row.currency === wanted));
  const made = missing.map((card) => cardOf({ ...structuredClone(card.row), currency: wanted }));
  cards.push(...made);
  drawAll();
  status.textContent = made.length ? `${made.length} prices were copied to ${wanted} with the same figures: write what they cost in ${wanted}.` : `The list is complete in ${wanted} already.`;
  if (made.length) elementOf(made[0]).focus();
});
for (const one of versionFields()) one.addEventListener("input", act.changed);
for (const one of setup.currencies) root.querySelector("[data-copy-currency]").append(make("option", { value: one }, one));
window.addEventListener("beforeunload", (event) => {
  if (isChanged()) event.preventDefault();
});

load(setup);
