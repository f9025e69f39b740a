/* The fields of a price model, drawn from its schema: whatever a model declares appears here by itself. */
import { button, choices, field, make } from "./dom.js";

const hasTiers = (property) => [property.type].flat().includes("array");
const isWhole = (property) => [property.type].flat().includes("integer");

const set = (row, name, text) => {
  if (text === "") delete row[name];
  else row[name] = text;
};

const input = (row, name, property, changed, label, blank = "") => {
  if (property.enum) {
    const value = row[name] ?? property.default;
    return make("select", { "aria-label": label, onchange: (event) => { set(row, name, event.target.value); changed(); } }, ...choices(property.enum.map((one) => [one, one]), value));
  }
  return make("input", {
    type: "text",
    inputmode: isWhole(property) ? "numeric" : "decimal",
    autocomplete: "off",
    value: row[name] ?? "",
    placeholder: property.default ?? blank,
    "aria-label": label,
    oninput: (event) => { set(row, name, event.target.value.trim()); changed(); },
  });
};

const tierRow = (tiers, index, columns, act) => {
  const tier = tiers[index];
  const last = index === tiers.length - 1;
  const lower = index ? tiers[index - 1].up_to : "0";
  const cells = Object.entries(columns).map(([name, property]) => {
    const path = `tiers/${index}/${name}`;
    if (name === "up_to" && last) return make("td", { "data-path": path }, make("span", { class: "plan-open" }, "no end"));
    const control = input(tier, name, property, () => act.changed(name === "up_to" && "bounds"), `Tier ${index + 1}: ${property.title}`);
    control.classList.add("form-control");
    return make("td", { "data-path": path }, control);
  });
  const remove = button(`Remove tier ${index + 1}`, "trash", () => act.remove(index), { quiet: true, disabled: tiers.length === 1, look: "btn btn-sm btn-ghost" });
  return make(
    "tr",
    {},
    make("th", { scope: "row" }, `${index + 1}`),
    make("td", { class: "plan-from num", "data-lower": index }, lower ? (index ? `above ${lower}` : "0") : "–"),
    ...cells,
    make("td", {}, remove),
  );
};

const tierTable = (row, name, property, act) => {
  row[name] ??= [{ up_to: null }];
  const tiers = row[name];
  const columns = property.items.properties;
  const redraw = (focus) => act.changed("structure", focus);
  const remove = (index) => {
    tiers.splice(index, 1);
    tiers[tiers.length - 1].up_to = null;
    redraw(`tiers/${Math.min(index, tiers.length - 1)}/${Object.keys(columns)[1]}`);
  };
  const add = () => {
    tiers.splice(tiers.length - 1, 0, { up_to: "" });
    redraw(`tiers/${tiers.length - 2}/up_to`);
  };
  const changed = (what) => {
    if (what === "bounds") {
      for (const cell of table.querySelectorAll("[data-lower]")) {
        const index = Number(cell.dataset.lower);
        if (index) cell.textContent = tiers[index - 1].up_to ? `above ${tiers[index - 1].up_to}` : "–";
      }
    }
    act.changed();
  };
  const table = make(
    "table",
    { class: "table-plain plan-tiers" },
    make(
      "thead",
      {},
      make("tr", {}, ...["Tier", "From", ...Object.values(columns).map((one) => one.title)].map((text, n) => make("th", { scope: "col", class: n === 1 && "num plan-from" }, text)), make("th", { scope: "col" }, make("span", { class: "visually-hidden" }, "Remove"))),
    ),
    make("tbody", {}, ...tiers.map((_, index) => tierRow(tiers, index, columns, { changed, remove }))),
  );
  return make(
    "div",
    { class: "plan-wide form-row", "data-path": name, role: "group", "aria-label": property.title },
    make("div", { class: "table-scroll", tabindex: 0, role: "group", "aria-label": `${property.title}, scrollable` }, table),
    make("div", { "data-errors": true }),
    button("Add tier", "plus", add),
  );
};

/* Terms that another model has too are kept where a model is chosen; the others go. */
export const adopt = (row, before, after) => {
  const kept = new Set(Object.keys(after.properties));
  for (const name of Object.keys(before?.properties ?? {})) if (!kept.has(name)) delete row[name];
  for (const [name, property] of Object.entries(after.properties)) {
    if (!hasTiers(property) || !row[name]) continue;
    const known = new Set(Object.keys(property.items.properties));
    for (const tier of row[name]) for (const one of Object.keys(tier)) if (!known.has(one)) delete tier[one];
  }
};

export const termFields = (row, schema, act) => {
  const rank = ([name, property]) => (hasTiers(property) ? 1 : schema.required.includes(name) ? 0 : property.default !== undefined ? 2 : 3);
  const ordered = Object.entries(schema.properties).sort((one, other) => rank(one) - rank(other));
  return ordered.map(([name, property]) => {
    if (hasTiers(property)) return tierTable(row, name, property, act);
    const required = schema.required.includes(name);
    return field(name, property.title, input(row, name, property, () => act.changed(), null, required ? "" : "none"), { required });
  });
};
