/* <form data-unsaved>: leaving with something typed and not sent asks first. */

const dirty = new Set();

document.addEventListener("input", (event) => {
  const form = event.target.form;
  if (form?.matches("[data-unsaved]")) dirty.add(form);
});
document.addEventListener("submit", (event) => {
  if (!event.defaultPrevented) dirty.delete(event.target);
});
document.addEventListener("reset", (event) => dirty.delete(event.target));
document.addEventListener("htmx:afterRequest", (event) => {
  if (!event.detail.successful) return;
  const form = event.detail.elt.closest("form");
  if (form) dirty.delete(form);
});
// A form that was taken leads on before the request is over; nothing of it is unsaved any more.
document.addEventListener("htmx:beforeOnLoad", (event) => {
  if (event.detail.xhr.getResponseHeader("HX-Redirect")) dirty.delete(event.detail.elt.closest("form"));
});
addEventListener("beforeunload", (event) => {
  for (const form of dirty) {
    if (form.isConnected) {
      event.preventDefault();
      return;
    }
  }
});
