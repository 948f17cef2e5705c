/* Messages that come with the page, with a response (HX-Trigger: {"toast": {"text", "tone", "undo_url"}}) or from a
   failed request. A screen reader only announces what arrives after the page, so what came with it is put in again. */

const region = document.querySelector("[data-toasts]");
const list = region?.querySelector("[data-toasts-list]");
const template = region?.querySelector("[data-toast-template]");
const STAYS = ["tone-error", "tone-danger", "tone-warning"];
const QUIET_FOR = 7000;
const UNDO_FOR = 15000;

function leaveLater(toast) {
  if (STAYS.some((tone) => toast.classList.contains(tone))) return;
  const delay = toast.querySelector("[data-toast-undo]") ? UNDO_FOR : QUIET_FOR;
  let timer;
  const hold = () => clearTimeout(timer);
  const go = () => {
    hold();
    timer = setTimeout(() => toast.remove(), delay);
  };
  toast.addEventListener("pointerenter", hold);
  toast.addEventListener("pointerleave", go);
  toast.addEventListener("focusin", hold);
  toast.addEventListener("focusout", go);
  go();
}

function say({ text, tone = "success", undo_url: undoUrl }) {
  if (!template || !text) return;
  const toast = template.content.cloneNode(true).querySelector("[data-toast]");
  toast.classList.replace("tone-success", `tone-${tone}`);
  toast.querySelector("[data-toast-text]").textContent = text;
  const icon = toast.querySelector(".bi");
  if (STAYS.includes(`tone-${tone}`)) icon.className = "bi bi-exclamation-triangle";
  const undo = toast.querySelector("[data-toast-undo]");
  if (undoUrl) undo.action = undoUrl;
  else undo.remove();
  list.append(toast);
  leaveLater(toast);
}

if (list) {
  const arrived = [...list.querySelectorAll("[data-toast]")];
  for (const toast of arrived) leaveLater(toast);
  requestAnimationFrame(() => list.append(...arrived));

  document.addEventListener("click", (event) => {
    event.target.closest("[data-toast-close]")?.closest("[data-toast]").remove();
  });
  document.addEventListener("toast", (event) => say(event.detail ?? {}));
  document.addEventListener("htmx:responseError", (event) => {
    const status = event.detail.xhr.status;
    say({ text: status === 401 || status === 403 ? region.dataset.refused : region.dataset.failed, tone: "error" });
  });
  document.addEventListener("htmx:sendError", () => say({ text: region.dataset.offline, tone: "error" }));
  document.addEventListener("htmx:timeout", () => say({ text: region.dataset.offline, tone: "error" }));
}
