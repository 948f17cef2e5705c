/* Blocking, and before any stylesheet, so that nobody sees the wrong colours or a rail that jumps. */
(() => {
  const root = document.documentElement;
  const night = matchMedia("(prefers-color-scheme: dark)");

  const read = (key) => {
    try {
      return localStorage.getItem(key);
    } catch {
      return null;
    }
  };
  const write = (key, value) => {
    try {
      localStorage.setItem(key, value);
    } catch {
      /* Private windows may refuse; the choice then lasts for this page. */
    }
  };

  let choice = read("theme") ?? "auto";
  const apply = () => {
    if (root.dataset.theme !== "dim") {
      root.dataset.bsTheme = choice === "auto" ? (night.matches ? "dark" : "light") : choice;
    }
    for (const button of document.querySelectorAll("[data-theme-choice]")) {
      button.setAttribute("aria-pressed", String(button.dataset.themeChoice === choice));
    }
  };

  root.classList.add("js");
  const rail = read("rail");
  if (rail) root.dataset.rail = rail;
  apply();
  night.addEventListener("change", apply);
  document.addEventListener("DOMContentLoaded", apply);
  document.addEventListener("click", (event) => {
    const button = event.target.closest?.("[data-theme-choice]");
    if (!button) return;
    choice = button.dataset.themeChoice;
    write("theme", choice);
    apply();
  });
})();
