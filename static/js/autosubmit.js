/* <form data-autosubmit>: choosing is submitting; typing submits after a pause. The form keeps its button for those
   without this file: give it the class "no-js-only". */

const PAUSE = 350;
const waiting = new WeakMap();

function submitSoon(form, delay) {
  clearTimeout(waiting.get(form));
  waiting.set(
    form,
    setTimeout(() => form.isConnected && form.requestSubmit(), delay),
  );
}

document.addEventListener("change", (event) => {
  const form = event.target.form;
  const typed = event.target.matches("textarea, [type=search], [type=text]");
  if (form?.matches("[data-autosubmit]") && !typed) submitSoon(form, 0);
});

document.addEventListener("input", (event) => {
  const form = event.target.form;
  if (form?.matches("[data-autosubmit][hx-get]") && event.target.matches("[type=search], [type=text]")) {
    submitSoon(form, PAUSE);
  }
});
