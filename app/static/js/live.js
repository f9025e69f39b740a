/* A page whose figures stay fresh: what bears data-live is fetched again every 30 seconds while somebody looks, and a
   button stops that (WCAG 2.2.2). Charts and what has the focus are left alone. Ten minutes after the last touch it rests:
   a page that nobody looks at must not keep its session alive. */
const EVERY_MS = 30000;
const RESTS_MS = 600000;
const button = document.querySelector("[data-live-toggle]");
let going = true;
let touched = performance.now();

const refresh = async () => {
  if (!going || document.visibilityState !== "visible" || performance.now() - touched > RESTS_MS) return;
  const answer = await fetch(window.location.href).catch(() => null);
  if (!answer?.ok || answer.redirected) return;
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  for (const part of document.querySelectorAll("[data-live]")) {
    const next = fresh.querySelector(`[data-live="${CSS.escape(part.dataset.live)}"]`);
    if (next && !part.contains(document.activeElement)) part.replaceChildren(...next.childNodes);
  }
};

if (button) {
  button.hidden = false;
  button.addEventListener("click", () => {
    going = !going;
    button.setAttribute("aria-pressed", String(going));
    button.querySelector("[data-live-state]").textContent = going ? "on" : "off";
    refresh();
  });
  for (const kind of ["pointermove", "keydown", "scroll"]) {
    document.addEventListener(kind, () => { touched = performance.now(); }, { passive: true });
  }
  window.setInterval(refresh, EVERY_MS);
  document.addEventListener("visibilitychange", refresh);
}
