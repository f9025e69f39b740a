/* "/" goes to the search of the page, as people know it from elsewhere. */
document.addEventListener("keydown", (event) => {
  if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.matches("input, select, textarea, [contenteditable]")) return;
  const box = document.querySelector("#list-search") || document.querySelector("[data-shortcut='/']");
  if (box) {
    event.preventDefault();
    box.focus();
    box.select();
  }
});
