// [data-print]: opens the browser's own dialogue for printing this page.
document.addEventListener("click", (event) => {
  if (event.target.closest("[data-print]")) window.print();
});
