const root = document.documentElement;
const roomy = matchMedia("(min-width: 1100px)");

const isNarrow = () => (root.dataset.rail ? root.dataset.rail === "narrow" : !roomy.matches);

function show() {
  for (const button of document.querySelectorAll("[data-rail-toggle]")) {
    button.setAttribute("aria-pressed", String(isNarrow()));
  }
}

document.addEventListener("click", (event) => {
  if (!event.target.closest("[data-rail-toggle]")) return;
  root.dataset.rail = isNarrow() ? "wide" : "narrow";
  try {
    localStorage.setItem("rail", root.dataset.rail);
  } catch {
    /* The choice then lasts for this page. */
  }
  show();
});
roomy.addEventListener("change", show);
show();
