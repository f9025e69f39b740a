/* The live quote: a quantity per component, or per value where each is priced by itself, and what it would cost as
   the prices stand on the page. */
import { button, make } from "./dom.js";
import { titleOf } from "./component.js";

const WAIT_MS = 250;

export const somewhat = () => ({ value: "", quantity: "1000", events: "1" });

export class Quote {
  constructor(root, setup, ask) {
    this.root = root;
    this.setup = setup;
    this.ask = ask;
    this.rows = new Map();
    this.list = root.querySelector("[data-quote-lines]");
    this.totals = document.querySelectorAll("[data-quote-total]");
    this.problems = root.querySelector("[data-quote-problems]");
    this.currency = root.querySelector("[data-quote-currency]");
    this.currency.addEventListener("change", () => this.later());
    this.serial = 0;
  }

  /* Make one row per component; quantities that were typed stay. */
  arrange(cards) {
    this.cards = cards;
    const currencies = [...new Set(cards.map((card) => card.row.currency))];
    const chosen = currencies.includes(this.currency.value) ? this.currency.value : currencies[0];
    this.currency.replaceChildren(...currencies.map((one) => make("option", { value: one, selected: one === chosen }, one)));
    this.currency.closest("[data-quote-currencies]").hidden = currencies.length < 2;
    for (const card of cards) if (!this.rows.has(card.id)) this.rows.set(card.id, this.row(card));
    this.list.replaceChildren(...cards.filter((card) => card.row.currency === chosen).map((card) => this.rows.get(card.id).element));
    for (const card of cards) {
      if (this.rows.get(card.id).groupedBy !== (card.row.group_by ?? null)) this.fill(card);
      this.rename(card);
    }
    this.later();
  }

  row(card) {
    const row = {
      name: make("strong", {}),
      parts: [],
      used: make("div", { class: "plan-parts" }),
      amount: make("span", { class: "money" }),
      steps: make("ol", { class: "plan-steps" }),
      problem: make("div", { class: "field-error", role: "alert", hidden: true }),
    };
    row.add = button("Add value", "plus", () => {
      card.used.push(somewhat());
      this.refill(card);
      row.parts.at(-1).value.focus();
    });
    row.element = make("li", {}, make("div", { class: "plan-line" }, row.name, row.amount), row.used, row.add, row.problem, row.steps);
    return row;
  }

  /* Make the controls of what was used: one line, or one for each value of the dimension. */
  fill(card) {
    const row = this.rows.get(card.id);
    row.groupedBy = card.row.group_by ?? null;
    row.parts = (row.groupedBy ? card.used : card.used.slice(0, 1)).map((used, n) => this.part(card, used, n));
    row.used.replaceChildren(...row.parts.map((part) => part.element));
    row.add.hidden = !row.groupedBy;
  }

  refill(card) {
    this.fill(card);
    this.rename(card);
    this.later();
  }

  part(card, used, n) {
    const grouped = card.row.group_by;
    const of = grouped ? ` of ${grouped} ${n + 1}` : "";
    const control = (name, label, mode, more = {}) =>
      make("input", { type: "text", inputmode: mode, autocomplete: "off", class: "form-control", value: used[name], "data-label": label, oninput: (event) => { used[name] = event.target.value.trim(); this.later(); }, ...more });
    const part = {
      value: grouped ? control("value", `${grouped} ${n + 1}`, "text", { placeholder: "none" }) : null,
      quantity: control("quantity", `quantity${of}`, "decimal"),
      events: control("events", `number of events${of}`, "numeric", { placeholder: "number of events", hidden: true }),
      unit: grouped ? null : make("span", { class: "plan-unit" }),
    };
    const remove = () => {
      card.used.splice(n, 1);
      this.refill(card);
      this.rows.get(card.id).add.focus();
    };
    const tool = grouped && card.used.length > 1 ? button(`Remove ${grouped} ${n + 1}`, "trash", remove, { quiet: true, look: "btn btn-sm btn-ghost" }) : null;
    part.element = make("div", {}, make("div", { class: "plan-used" }, part.value, part.quantity, part.unit, tool), part.events);
    return part;
  }

  rename(card) {
    const row = this.rows.get(card.id);
    const title = titleOf(card.row, this.setup);
    const unit = this.setup.metrics.find((one) => one.code === card.row.metric)?.unit ?? "";
    row.name.textContent = title;
    row.used.hidden = !card.row.metric;
    for (const part of row.parts) {
      for (const one of [part.value, part.quantity, part.events].filter(Boolean)) one.setAttribute("aria-label", `${title}: ${one.dataset.label}`);
      if (part.unit) part.unit.textContent = unit && `× ${unit}`;
    }
  }

  later() {
    window.clearTimeout(this.timer);
    this.timer = window.setTimeout(() => this.now(), WAIT_MS);
    this.root.setAttribute("aria-busy", "true");
  }

  async now() {
    const mine = (this.serial += 1);
    const used = this.cards.map((card) => (card.row.group_by ? { groups: card.used } : card.used[0]));
    const answer = await this.ask({ used, currency: this.currency.value });
    if (mine !== this.serial) return;
    this.root.removeAttribute("aria-busy");
    if (answer.lines) this.show(answer);
    else this.refuse(answer);
  }

  clear() {
    for (const { problem, parts } of this.rows.values()) {
      problem.hidden = true;
      for (const { quantity, events } of parts) for (const one of [quantity, events]) one.classList.remove("is-invalid");
    }
  }

  show(answer) {
    this.clear();
    this.problems.replaceChildren();
    this.root.classList.remove("plan-stale");
    for (const line of answer.lines) {
      const row = this.rows.get(this.cards[line.component].id);
      row.amount.textContent = line.amount_shown;
      row.steps.replaceChildren(...line.steps.map((step) => make("li", {}, step)));
      for (const part of row.parts) part.events.hidden = line.needs !== "count";
    }
    for (const one of this.totals) one.textContent = answer.lines.length ? answer.total_shown : "–";
  }

  /* What was priced before stays in sight, marked as old, until the prices can be used again. */
  refuse({ message, fields = [] }) {
    this.clear();
    this.root.classList.add("plan-stale");
    const told = [];
    for (const { pointer, message: why } of fields) {
      const [, part, index, ...rest] = pointer.split("/");
      const card = this.cards[Number(index)];
      if (part === "used" && card) {
        const row = this.rows.get(card.id);
        row.problem.textContent = why;
        row.problem.hidden = false;
        row.parts[rest.length > 1 ? Number(rest[1]) : 0]?.[rest.at(-1)]?.classList.add("is-invalid");
      } else told.push(card ? `${Number(index) + 1}. ${titleOf(card.row, this.setup)}: ${why}` : why);
    }
    if (!fields.length) told.push(message);
    this.problems.replaceChildren(...told.map((one) => make("li", {}, one)));
  }
}
