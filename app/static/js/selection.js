/* Selecting rows: the box in the heading selects the page, the bar appears with what can be done to the selection. */
const boxes = () => [...document.querySelectorAll("input[name=rowid][form=bulk]")];
const bar = document.querySelector("[data-bulk-bar]");

const count = () => {
  const all = boxes();
  if (!all.length) return;
  const selected = all.filter((box) => box.checked).length;
  const head = document.querySelector("[data-select-all]");
  head.checked = selected > 0 && selected === all.length;
  head.indeterminate = selected > 0 && selected < all.length;
  bar.hidden = selected === 0;
  bar.querySelector("[data-bulk-count]").textContent = selected;
};

if (bar) {
  document.addEventListener("change", (event) => {
    if (event.target.matches("[data-select-all]")) for (const box of boxes()) box.checked = event.target.checked;
    if (event.target.matches("[data-select-all], input[name=rowid]")) count();
  });
  window.addEventListener("pageshow", count);
}
