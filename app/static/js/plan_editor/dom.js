/* Making elements, and fields whose errors are wired to them. */
let serial = 0;

export const make = (tag, attributes = {}, ...children) => {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === false || value === null || value === undefined) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "value" || name === "checked") element[name] = value;
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
};

export const icon = (name) => {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  use.setAttribute("href", new URL(`../../vendor/tabler-icons/icons.svg#${name}`, import.meta.url).href);
  svg.append(use);
  return svg;
};

export const button = (label, picture, act, { quiet = false, disabled = false, look = "btn btn-sm" } = {}) =>
  make(
    "button",
    { type: "button", class: look + (quiet ? " btn-icon" : ""), onclick: act, disabled, "aria-label": quiet && label, title: quiet && label },
    icon(picture),
    quiet ? null : label,
  );

export const choices = (pairs, value) =>
  pairs.map(([key, label]) => make("option", { value: key, selected: key === value }, label));

/* A labelled control. `path` is where its value stands in a component, as the pointers of refusals name it. */
export const field = (path, label, control, { hint = "", required = false, look = "" } = {}) => {
  const id = `plan-${(serial += 1)}`;
  const check = control.type === "checkbox";
  control.id = id;
  control.classList.add(control.tagName === "SELECT" ? "form-select" : check ? "form-check-input" : "form-control");
  if (hint) control.setAttribute("aria-describedby", `${id}-hint`);
  const name = make("label", { for: id, class: check ? "form-check-label" : `form-label${required ? " required" : ""}` }, label);
  const head = check ? [make("div", { class: "form-check" }, control, name)] : [name, control];
  return make(
    "div",
    { class: `form-row ${look}`, "data-path": path },
    ...head,
    hint ? make("div", { class: "form-hint", id: `${id}-hint` }, hint) : null,
  );
};

const controlOf = (place) => place.querySelector("input, select, textarea");

export const clearErrors = (root) => {
  for (const note of root.querySelectorAll(".field-error")) note.remove();
  for (const control of root.querySelectorAll("[aria-invalid]")) {
    control.removeAttribute("aria-invalid");
    control.removeAttribute("aria-errormessage");
    control.classList.remove("is-invalid");
    const kept = (control.getAttribute("aria-describedby") || "").split(" ").filter((id) => id && !id.endsWith("-error"));
    if (kept.length) control.setAttribute("aria-describedby", kept.join(" "));
    else control.removeAttribute("aria-describedby");
  }
};

/* Return the element that a path names, or the nearest around it. */
export const find = (root, path) => {
  const parts = path.split("/");
  while (parts.length) {
    const found = root.querySelector(`[data-path="${CSS.escape(parts.join("/"))}"]`);
    if (found) return found;
    parts.pop();
  }
  return null;
};

/* Put a message at a place; return what to focus. */
export const mark = (place, message) => {
  const control = controlOf(place);
  const id = `plan-${(serial += 1)}-error`;
  const host = [...place.querySelectorAll("[data-errors]")].at(-1) || place;
  host.append(make("div", { class: "field-error", id }, icon("alert-circle"), message));
  if (!control || place.hasAttribute("data-card")) return place;
  control.setAttribute("aria-invalid", "true");
  control.classList.add("is-invalid");
  control.setAttribute("aria-describedby", [control.getAttribute("aria-describedby"), id].filter(Boolean).join(" "));
  return control;
};
