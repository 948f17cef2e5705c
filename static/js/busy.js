/* A form that has been sent says so and cannot be sent twice. The page's own answer, htmx's answer or coming back with
   the back button makes it usable again. data-busy="no" leaves a form alone (downloads). */

const sent = new WeakSet();
const GIVE_UP_AFTER = 20000;

function start(form, submitter) {
  sent.add(form);
  form.setAttribute("aria-busy", "true");
  setTimeout(() => stop(form), GIVE_UP_AFTER);
  const button = submitter ?? form.querySelector("[type=submit]");
  if (!button?.matches("button")) return;
  button.setAttribute("aria-busy", "true");
  const words = button.querySelector("[data-busy-text]");
  if (words && button.dataset.busyLabel) {
    words.dataset.busyText = words.textContent;
    words.textContent = button.dataset.busyLabel;
  }
}

function stop(form) {
  sent.delete(form);
  form.removeAttribute("aria-busy");
  for (const button of form.querySelectorAll("button[aria-busy]")) {
    button.removeAttribute("aria-busy");
    const words = button.querySelector("[data-busy-text]");
    if (words?.dataset.busyText) {
      words.textContent = words.dataset.busyText;
      words.dataset.busyText = "";
    }
  }
}

document.addEventListener(
  "submit",
  (event) => {
    const form = event.target;
    if (form.getAttribute("method")?.toLowerCase() !== "post" || form.dataset.busy === "no") return;
    if (sent.has(form)) {
      event.preventDefault();
      event.stopImmediatePropagation();
      return;
    }
    if (!navigator.onLine && !form.matches("[data-in-place]")) {
      // The browser would lay a page of its own over what was chosen and over the numbers to call. Nothing is lost by waiting.
      event.preventDefault();
      event.stopImmediatePropagation();
      document.dispatchEvent(new CustomEvent("htmx:sendError"));
      return;
    }
    setTimeout(() => {
      const htmx = form.matches("[hx-post], [hx-put], [hx-patch], [hx-delete]");
      if (htmx ? form.classList.contains("htmx-request") : !event.defaultPrevented) start(form, event.submitter);
    });
  },
  { capture: true },
);
document.addEventListener("htmx:afterRequest", (event) => {
  const form = event.detail.elt.closest("form");
  if (form) stop(form);
});
addEventListener("pageshow", (event) => {
  if (event.persisted) for (const form of document.querySelectorAll("form[aria-busy]")) stop(form);
});
