/* A row of a list marked data-drawer opens its record beside the list; with a modifier key, or without scripts, it is a page. */
const drawer = () => {
  const found = document.getElementById("drawer");
  return found && { box: found, body: found.querySelector(".offcanvas-body"), page: found.querySelector("[data-drawer-page]") };
};

const fetchRecord = async (address) => {
  const answer = await fetch(address, { headers: { Accept: "text/html" } });
  if (!answer.ok || answer.redirected) throw new Error(`status ${answer.status}`);
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  return [...page.querySelectorAll("#content > :not(.flashes)")];
};

document.addEventListener("click", async (event) => {
  const link = event.target.closest?.("[data-drawer] a.row-link");
  const shown = drawer();
  if (!link || !shown || event.ctrlKey || event.metaKey || event.shiftKey || event.button !== 0) return;
  event.preventDefault();
  shown.page.href = link.href;
  shown.body.setAttribute("aria-busy", "true");
  shown.body.replaceChildren();
  window.tabler.bootstrap.Offcanvas.getOrCreateInstance(shown.box).show();
  // At once, so that Escape is heard before it has slid in.
  shown.box.focus({ preventScroll: true });
  try {
    shown.body.replaceChildren(...(await fetchRecord(link.href)));
    shown.body.removeAttribute("aria-busy");
  } catch {
    window.location.assign(link.href);
  }
});
