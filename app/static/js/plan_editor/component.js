/* One component as a card: what is priced, by which model, its terms, for which dimension values. */
import { button, choices, field, make } from "./dom.js";
import { adopt, termFields } from "./terms.js";

const FIXED = "";
const TOGETHER = "";
const TIMINGS = [["arrears", "At the end of the period"], ["advance", "At the start of the period"]];

const text = (row, name, changed, blank = undefined) =>
  make("input", {
    type: "text",
    autocomplete: "off",
    value: row[name] ?? "",
    oninput: (event) => {
      row[name] = event.target.value.trim() || blank;
      changed();
    },
  });

export const titleOf = (row, setup) =>
  row.name || setup.metrics.find((one) => one.code === row.metric)?.name || (row.metric ? row.metric : "Fixed fee");

const setMetric = (row, code, setup) => {
  row.metric = code || null;
  row.kind = code ? "usage" : "fixed";
  row.filters = {};
  row.group_by = null;
  if (!code && row.model !== "flat") {
    adopt(row, setup.models[row.model], setup.models.flat);
    row.model = "flat";
  }
};

const filterFields = (row, metric, changed) =>
  (metric?.dimensions ?? []).map((dimension, n) => {
    const control = make("input", {
      type: "text",
      autocomplete: "off",
      placeholder: "any",
      value: [row.filters?.[dimension] ?? []].flat().join(", "),
      oninput: (event) => {
        const values = event.target.value.split(",").map((one) => one.trim()).filter(Boolean);
        row.filters = { ...row.filters };
        if (values.length) row.filters[dimension] = values;
        else delete row.filters[dimension];
        changed();
      },
    });
    return field(`filters/${dimension}`, `Only for ${dimension}`, control, { hint: n ? "" : "Values with commas between. Where several prices match, the most specific counts." });
  });

const groupField = (row, metric, redraw) => {
  if (!metric?.dimensions.length) return [];
  const pairs = [[TOGETHER, "All usage together"], ...metric.dimensions.map((one) => [one, `Each ${one} by itself`])];
  const control = make("select", { onchange: (event) => { row.group_by = event.target.value || null; redraw("group_by"); } }, ...choices(pairs, row.group_by ?? TOGETHER));
  return [field("group_by", "Priced", control, { hint: "By itself: every value has its own tiers, free units, minimum and maximum." })];
};

const feeFields = (row, changed) => [
  field("timing", "Billed", make("select", { onchange: (event) => { row.timing = event.target.value; changed(); } }, ...choices(TIMINGS, row.timing ?? "arrears"))),
  field("prorated", "Prorated for a part of a period", make("input", { type: "checkbox", checked: row.prorated ?? true, onchange: (event) => { row.prorated = event.target.checked; changed(); } })),
];

const head = (card, position, count, setup, act) => {
  const name = titleOf(card.row, setup);
  const tool = (label, picture, move, disabled) => button(`${label} ${name}`, picture, move, { quiet: true, disabled, look: "btn btn-sm btn-ghost" });
  return make(
    "div",
    { class: "card-head plan-head" },
    make("h3", { class: "card-title", "data-title": true }, `${position + 1}. ${name}`),
    make(
      "div",
      { class: "plan-tools" },
      tool("Move up", "chevron-up", () => act.move(card, -1), position === 0),
      tool("Move down", "chevron-down", () => act.move(card, 1), position === count - 1),
      tool("Copy", "copy", () => act.copy(card)),
      tool("Remove", "trash", () => act.remove(card)),
    ),
  );
};

const body = (card, setup, act) => {
  const { row } = card;
  const changed = () => act.changed(card);
  const redraw = (focus) => act.redraw(card, focus);
  const schema = setup.models[row.model];
  const metric = setup.metrics.find((one) => one.code === row.metric);
  const metrics = [[FIXED, "Fixed fee, whatever the usage"], ...setup.metrics.map((one) => [one.code, `${one.name} (${one.code})`])];
  const models = Object.entries(setup.models).filter(([name]) => row.metric || name === "flat").map(([name, one]) => [name, one.title]);
  const what = make("select", { onchange: (event) => { setMetric(row, event.target.value, setup); redraw("metric"); } }, ...choices(metrics, row.metric ?? FIXED));
  const model = make("select", { onchange: (event) => { adopt(row, schema, setup.models[event.target.value]); row.model = event.target.value; redraw("model"); } }, ...choices(models, row.model));
  const currency = make("select", { onchange: (event) => { row.currency = event.target.value; redraw("currency"); } }, ...choices(setup.currencies.map((one) => [one, one]), row.currency));
  const more = make(
    "details",
    { class: "plan-more plan-wide" },
    make("summary", {}, "Code and tax"),
    make(
      "div",
      { class: "plan-fields" },
      field("code", "Code", text(row, "code", changed), { hint: "What the API and explanations call it. Empty: it gets one." }),
      field("sac", "SAC", text(row, "sac", changed), { hint: "Services accounting code for GST." }),
    ),
  );
  return make(
    "div",
    { class: "card-body plan-fields" },
    field("metric", "What is priced", what, { look: "plan-two" }),
    field("name", "Name on invoices", text(row, "name", () => { act.renamed(card); changed(); })),
    field("model", "Price model", model, { hint: schema.description, look: "plan-two" }),
    field("currency", "Currency", currency),
    ...termFields(row, schema, { changed: (what_, focus) => (what_ === "structure" ? redraw(focus) : changed()) }),
    ...(row.metric ? [...filterFields(row, metric, changed), ...groupField(row, metric, redraw)] : feeFields(row, changed)),
    more,
    make("div", { class: "plan-wide", "data-errors": true }),
  );
};

export const draw = (card, position, count, setup, act) => {
  const element = make("section", { class: "card plan-component", "data-card": card.id, "data-path": "", "aria-label": `${position + 1}. ${titleOf(card.row, setup)}`, tabindex: -1 }, head(card, position, count, setup, act), body(card, setup, act));
  const touch = (event) => {
    const place = event.target.closest("[data-path]");
    if (place) card.touched.add(place.dataset.path);
  };
  element.addEventListener("input", touch);
  element.addEventListener("change", touch);
  return element;
};
