/* Light, dark or system. The server writes the choice of the `theme` cookie into data-bs-theme; this classic script, loaded
   before the body, only resolves "system" for the few rules of the kit that ask for the attribute. */
(() => {
  "use strict";
  const root = document.documentElement;
  const system = window.matchMedia("(prefers-color-scheme: dark)");

  const apply = () => {
    const choice = root.dataset.theme || "system";
    root.dataset.bsTheme = choice === "system" ? (system.matches ? "dark" : "light") : choice;
    root.dispatchEvent(new CustomEvent("themechange"));
  };

  const mark = () => {
    for (const button of document.querySelectorAll("[data-set-theme]")) {
      button.setAttribute("aria-pressed", String(button.dataset.setTheme === (root.dataset.theme || "system")));
    }
  };

  const choose = (choice) => {
    const secure = window.location.protocol === "https:" ? "; Secure" : "";
    document.cookie = `theme=${choice}; Path=/; Max-Age=31536000; SameSite=Lax${secure}`;
    root.dataset.theme = choice;
    apply();
    mark();
  };

  apply();
  system.addEventListener("change", apply);
  document.addEventListener("DOMContentLoaded", mark);
  document.addEventListener("click", (event) => {
    const button = event.target instanceof Element && event.target.closest("[data-set-theme]");
    if (button) choose(button.dataset.setTheme);
  });
})();
