/* [data-steady]: a list whose rows move up when one of them leaves. A second press on the spot just pressed would land on
   the neighbour who came there; it is let go by until the list has stood still. The keyboard is not held up.
   What was folded out stays so when the list is drawn anew. */

const SETTLES = 900;
const SPOT = 24;
let pressed = { at: -SETTLES, x: -SPOT, y: -SPOT };
let moved = -SETTLES;
let row = "";
let unfolded = [];

document.addEventListener("htmx:beforeSwap", () => {
  unfolded = [...document.querySelectorAll("[data-steady] details[open][id]")].map((one) => one.id);
  row = document.activeElement?.closest("[data-steady] li")?.querySelector("a[id]")?.id ?? "";
});

document.addEventListener("htmx:afterSwap", (event) => {
  if (!event.target.closest("[data-steady]")) return;
  moved = performance.now();
  for (const id of unfolded) document.getElementById(id)?.setAttribute("open", "");
  // The button that was pressed has gone: stay with the person it was about, and not on what comes next for them.
  if (document.activeElement === document.body) document.getElementById(row)?.focus({ preventScroll: true });
});

document.addEventListener(
  "click",
  (event) => {
    if (event.detail === 0 || !event.target.closest("[data-steady]")) return;
    const { timeStamp: at, clientX: x, clientY: y } = event;
    const isAgain = Math.hypot(x - pressed.x, y - pressed.y) < SPOT && at - Math.max(pressed.at, moved) < SETTLES;
    if (isAgain) {
      event.preventDefault();
      event.stopImmediatePropagation();
    } else {
      pressed = { at, x, y };
    }
  },
  { capture: true },
);
