/* What every page needs: where the focus goes after a refusal. htmx itself is configured by the meta tag of base.html. */

function focusFirst(root) {
  const wanted = root.matches?.("[data-focus]") ? root : root.querySelector?.("[data-focus]");
  if (!wanted || wanted.dataset.focus === "done") return;
  wanted.dataset.focus = "done";
  wanted.focus({ preventScroll: false });
}

document.addEventListener("htmx:load", (event) => focusFirst(event.detail.elt));
focusFirst(document);
