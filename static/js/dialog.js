/* <a href="/the/page/" data-dialog-open="id"> opens the dialog instead of the page; without this file the link works. */

document.addEventListener("click", (event) => {
  const opener = event.target.closest("[data-dialog-open]");
  if (opener && !event.ctrlKey && !event.metaKey && !event.shiftKey) {
    const dialog = document.getElementById(opener.dataset.dialogOpen);
    if (dialog instanceof HTMLDialogElement) {
      event.preventDefault();
      if (!dialog.open) dialog.showModal();
    }
    return;
  }
  const closer = event.target.closest("[data-dialog-close]");
  if (closer) {
    closer.closest("dialog")?.close();
    return;
  }
  if (event.target instanceof HTMLDialogElement && event.target.open && !event.target.hasAttribute("data-dialog-firm")) {
    const box = event.target.getBoundingClientRect();
    const inside =
      event.clientX >= box.left && event.clientX <= box.right && event.clientY >= box.top && event.clientY <= box.bottom;
    if (!inside) event.target.close();
  }
});

function openMarked(root) {
  for (const dialog of root.querySelectorAll?.("dialog[data-dialog-now]:not([open])") ?? []) dialog.showModal();
}

document.addEventListener("htmx:load", (event) => openMarked(event.detail.elt.parentElement ?? event.detail.elt));
document.body.addEventListener("dialog:close", (event) => {
  for (const dialog of document.querySelectorAll("dialog[open]")) {
    if (!event.detail?.value || dialog.id === event.detail.value) dialog.close();
  }
});
