/* [data-slot-days]: a grid of times as radio buttons. The chosen one is said in words beside the button; arrows move by
   time within a day and by day across. Without this file the radio buttons and the browser's own arrows do the work. */

function say(form) {
  const chosen = form.querySelector("input[name=slot]:checked");
  const words = form.querySelector("[data-slot-choice]");
  if (chosen && words) words.textContent = chosen.dataset.slotLabel;
}

document.addEventListener("change", (event) => {
  if (event.target.matches("input[name=slot]")) say(event.target.form);
});

document.addEventListener("keydown", (event) => {
  const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  if (!step || !event.target.matches("[data-slot-days] input[name=slot]")) return;
  const days = [...event.target.closest("[data-slot-days]").querySelectorAll(".slot-day")];
  const day = event.target.closest(".slot-day");
  const place = [...day.querySelectorAll("input")].indexOf(event.target);
  const next = days[days.indexOf(day) + step];
  if (!next) return;
  const there = [...next.querySelectorAll("input")];
  const target = there[Math.min(place, there.length - 1)];
  event.preventDefault();
  target.checked = true;
  target.focus();
  say(target.form);
});

document.addEventListener("htmx:load", (event) => {
  const form = event.detail.elt.querySelector?.("#book") ?? event.detail.elt.closest?.("#book");
  if (form) say(form);
});
const first = document.getElementById("book");
if (first) say(first);
