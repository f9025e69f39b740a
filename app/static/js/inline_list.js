/* Sub-forms of a form: add one from the template with the next number, take an unsaved one away. */
const renumber = (entry, prefix) => {
  for (const element of entry.querySelectorAll("[name], [id], [for]")) {
    for (const attribute of ["name", "id", "for"]) {
      const value = element.getAttribute(attribute);
      if (value !== null) element.setAttribute(attribute, value ? `${prefix}-${value.replace(/^-/, "")}` : prefix);
    }
  }
};

document.addEventListener("click", (event) => {
  const add = event.target.closest?.("[data-inline-add]");
  if (add) {
    const field = add.closest("[data-inline-list]");
    const list = field.querySelector(".inline-field-list");
    const entry = field.querySelector("template[data-inline-template]").content.firstElementChild.cloneNode(true);
    const next = 1 + Math.max(-1, ...[...list.children].map((one) => Number(one.id.split("-").pop())));
    entry.id = `${field.id}-${next}`;
    renumber(entry, entry.id);
    list.append(entry);
  }
  const remove = event.target.closest?.("[data-inline-remove]");
  if (remove) remove.closest(".inline-entry").remove();
});
