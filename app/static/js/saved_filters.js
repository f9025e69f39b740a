/* The saved filters beside a list are fetched when their menu is opened for the first time. */
for (const menu of document.querySelectorAll("details[data-saved-filters]")) {
  menu.addEventListener("toggle", async () => {
    if (!menu.open || menu.dataset.loaded) return;
    menu.dataset.loaded = "yes";
    const answer = await fetch(menu.dataset.savedFilters).catch(() => null);
    if (answer?.ok) menu.querySelector("[data-saved-body]").innerHTML = await answer.text(); /* our own template */
    else delete menu.dataset.loaded;
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !menu.open || !menu.contains(document.activeElement)) return;
    menu.open = false;
    menu.querySelector("summary").focus();
  });
}
