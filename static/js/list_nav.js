/* [data-list-nav] around a table or list: arrows, Home and End move between its rows' first links; Enter follows. */

function links(list) {
  const rows = list.querySelectorAll("tbody > tr, :scope > li, ul > li, ol > li, [data-list-row]");
  return [...rows].map((row) => row.querySelector("[data-list-link], a[href], button")).filter(Boolean);
}

document.addEventListener("keydown", (event) => {
  if (!["ArrowDown", "ArrowUp", "Home", "End"].includes(event.key)) return;
  if (event.target.closest("input, textarea, select, [contenteditable], [role=listbox]")) return;
  const list = event.target.closest("[data-list-nav]");
  if (!list) return;
  const stops = links(list);
  if (!stops.length) return;
  const row = event.target.closest("tr, li, [data-list-row]");
  const here = stops.findIndex((stop) => stop === event.target || row?.contains(stop));
  const next = { ArrowDown: here + 1, ArrowUp: here - 1, Home: 0, End: stops.length - 1 }[event.key];
  event.preventDefault();
  stops[Math.max(0, Math.min(stops.length - 1, next))].focus();
});
