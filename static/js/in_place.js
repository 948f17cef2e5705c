/* A refused form is answered in place: the page around it stays, and so does the history. Otherwise going back would ask
   whether to send the form again. The form stays what it is, with its action and its 422; without this file the browser
   shows the answer as a page of its own. A form that was taken leads to its next page as before (HX-Redirect).
   Signing in and out keeps whole pages, and so does data-busy="no" (downloads and the like). */

const OURS = "form[method=post]:not([hx-post], [data-busy=no])";

function take(root) {
  const forms = [...(root.querySelectorAll?.(OURS) ?? [])];
  if (root.matches?.(OURS)) forms.push(root);
  for (const form of forms) {
    if (new URL(form.getAttribute("action") ?? "", location.href).pathname.startsWith("/account/")) continue;
    // Not hx-boost, which writes into the history whatever it is told. The header asks for the whole page as boosting does.
    form.dataset.inPlace = "";
    form.setAttribute("hx-post", form.getAttribute("action") || location.pathname + location.search);
    form.setAttribute("hx-headers", '{"HX-Boosted": "true"}');
    form.setAttribute("hx-target", "#main");
    form.setAttribute("hx-select", "#main");
    form.setAttribute("hx-swap", "outerHTML");
    htmx.process(form);
  }
}

// What was refused for another reason than its words has a page that says so; it is shown here as well.
document.addEventListener("htmx:beforeSwap", (event) => {
  const { xhr } = event.detail;
  const isPage = xhr.getResponseHeader("Content-Type")?.startsWith("text/html");
  if (!event.detail.requestConfig.elt.matches("[data-in-place]") || xhr.status < 400 || !isPage || !xhr.responseText.includes('id="main"')) return;
  event.detail.shouldSwap = true;
  event.detail.isError = false;
});

document.addEventListener("htmx:load", (event) => take(event.detail.elt));
