/* Ctrl K or Cmd K: the links of the menu of all pages, filtered by what is typed; the last one looks for people. */

const fold = (text) =>
  text
    .toLowerCase()
    .normalize("NFD")
    .replace(/\p{Diacritic}/gu, "");

// The page names its pages once: a second list of links that needs a script anyway would be a tenth of what a page weighs.
function asOption(link, number) {
  const option = link.cloneNode(true);
  option.removeAttribute("aria-current");
  option.id = `palette-${number}`;
  option.tabIndex = -1;
  option.setAttribute("role", "option");
  option.setAttribute("aria-selected", "false");
  return option;
}

function attach(dialog) {
  if (dialog.dataset.palette === "on") return;
  const input = dialog.querySelector("[data-palette-input]");
  const search = dialog.querySelector("[data-palette-search]");
  const menu = document.getElementById(dialog.dataset.palette);
  dialog.dataset.palette = "on";
  search.before(...[...menu.querySelectorAll("a")].map(asOption));
  const options = [...dialog.querySelectorAll("[role=option]")];
  const pages = options.filter((option) => option !== search);
  let current = null;

  const shown = () => options.filter((option) => !option.hidden);

  function choose(option) {
    current?.setAttribute("aria-selected", "false");
    current = option ?? null;
    if (!current) {
      input.removeAttribute("aria-activedescendant");
      return;
    }
    current.setAttribute("aria-selected", "true");
    input.setAttribute("aria-activedescendant", current.id);
    current.scrollIntoView({ block: "nearest" });
  }

  function filter() {
    const typed = input.value.trim();
    const words = fold(typed).split(/\s+/).filter(Boolean);
    for (const page of pages) {
      const text = fold(page.textContent);
      page.hidden = !words.every((word) => text.includes(word));
    }
    search.hidden = !typed;
    search.querySelector("[data-palette-words]").textContent = typed;
    const target = new URL(search.href);
    target.search = new URLSearchParams({ q: typed }).toString();
    search.href = target.href;
    choose(shown()[0]);
  }

  input.addEventListener("input", filter);
  input.addEventListener("keydown", (event) => {
    const stops = shown();
    const here = stops.indexOf(current);
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      const step = event.key === "ArrowDown" ? 1 : -1;
      choose(stops[(here + step + stops.length) % stops.length]);
    } else if (event.key === "Enter" && current) {
      event.preventDefault();
      current.click();
    }
  });
  dialog.addEventListener("pointermove", (event) => {
    const option = event.target.closest("[role=option]");
    if (option && option !== current) choose(option);
  });
  dialog.addEventListener("close", () => {
    input.value = "";
    filter();
  });
  document.addEventListener("keydown", (event) => {
    if (event.key.toLowerCase() !== "k" || !(event.ctrlKey || event.metaKey) || event.altKey || event.shiftKey) return;
    event.preventDefault();
    if (dialog.open) dialog.close();
    else if (!document.querySelector("dialog[open]")) dialog.showModal();
  });
  filter();
}

for (const dialog of document.querySelectorAll("[data-palette]")) attach(dialog);
