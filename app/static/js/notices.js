/* Messages go away when asked to. */
document.addEventListener("click", (event) => {
  const button = event.target instanceof Element && event.target.closest("[data-dismiss-notice]");
  if (button) button.closest(".notice").remove();
});
