/* The live quote: a quantity per component, and what it would cost as the prices stand on the page. */
import { make } from "./dom.js";
import { titleOf } from "./component.js";

const WAIT_MS = 250;

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
    for (const card of cards) this.rename(card);
    this.later();
  }

  row(card) {
    const number = (name, label, mode) =>
      make("input", { type: "text", inputmode: mode, autocomplete: "off", class: "form-control", value: card[name], "data-label": label, oninput: (event) => { card[name] = event.target.value.trim(); this.later(); } });
    const row = {
      name: make("strong", {}),
      quantity: number("quantity", "quantity", "decimal"),
      events: number("events", "number of events", "numeric"),
      unit: make("span", { class: "plan-unit" }),
      amount: make("span", { class: "money" }),
      steps: make("ol", { class: "plan-steps" }),
      problem: make("div", { class: "field-error", role: "alert", hidden: true }),
    };
    row.used = make("div", { class: "plan-used" }, row.quantity, row.unit);
    row.element = make("li", {}, make("div", { class: "plan-line" }, row.name, row.amount), row.used, row.events, row.problem, row.steps);
    row.events.hidden = true;
    row.events.placeholder = "number of events";
    return row;
  }

  rename(card) {
    const row = this.rows.get(card.id);
    const title = titleOf(card.row, this.setup);
    row.name.textContent = title;
    for (const one of [row.quantity, row.events]) one.setAttribute("aria-label", `${title}: ${one.dataset.label}`);
    row.used.hidden = !card.row.metric;
    const unit = this.setup.metrics.find((one) => one.code === card.row.metric)?.unit ?? "";
    row.unit.textContent = unit && `× ${unit}`;
  }

  later() {
    window.clearTimeout(this.timer);
    this.timer = window.setTimeout(() => this.now(), WAIT_MS);
    this.root.setAttribute("aria-busy", "true");
  }

  async now() {
    const mine = (this.serial += 1);
    const used = this.cards.map(({ quantity, events }) => ({ quantity, events }));
    const answer = await this.ask({ used, currency: this.currency.value });
    if (mine !== this.serial) return;
    this.root.removeAttribute("aria-busy");
    if (answer.lines) this.show(answer);
    else this.refuse(answer);
  }

  clear() {
    for (const { problem, quantity, events } of this.rows.values()) {
      problem.hidden = true;
      for (const one of [quantity, events]) one.classList.remove("is-invalid");
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
      row.events.hidden = line.needs !== "count";
    }
    for (const one of this.totals) one.textContent = answer.lines.length ? answer.total_shown : "–";
  }

  /* What was priced before stays in sight, marked as old, until the prices can be used again. */
  refuse({ message, fields = [] }) {
    this.clear();
    this.root.classList.add("plan-stale");
    const told = [];
    for (const { pointer, message: why } of fields) {
      const [, part, index, name] = pointer.split("/");
      const card = this.cards[Number(index)];
      if (part === "used" && card) {
        const row = this.rows.get(card.id);
        row.problem.textContent = why;
        row.problem.hidden = false;
        row[name].classList.add("is-invalid");
      } else told.push(card ? `${Number(index) + 1}. ${titleOf(card.row, this.setup)}: ${why}` : why);
    }
    if (!fields.length) told.push(message);
    this.problems.replaceChildren(...told.map((one) => make("li", {}, one)));
  }
}
