/* "/" goes to the search box, unless somebody is typing or a dialog is open. */

document.addEventListener("keydown", (event) => {
  if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.closest("input, textarea, select, [contenteditable]") || document.querySelector("dialog[open]")) return;
  const box = document.querySelector("[data-search-focus]");
  if (!box?.checkVisibility()) return;
  event.preventDefault();
  box.focus();
  box.select();
});
