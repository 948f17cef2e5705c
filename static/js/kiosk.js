/* [data-kiosk-idle="seconds"]: a screen that nobody touches goes back to its start, where the next person finds nothing.
   The server has closed it by then by itself; this only clears the glass. Coming back with the back button starts anew. */

const main = document.querySelector("[data-kiosk-idle]");

if (main) {
  const start = main.dataset.kioskStart;
  const wait = (Number(main.dataset.kioskIdle) + 2) * 1000;
  let timer = 0;
  const again = () => {
    clearTimeout(timer);
    timer = setTimeout(() => location.replace(start), wait);
  };
  for (const sign of ["pointerdown", "keydown", "input"]) document.addEventListener(sign, again, { passive: true });
  addEventListener("pageshow", (event) => {
    if (event.persisted) location.replace(start);
  });
  again();
}
