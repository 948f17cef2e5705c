/* <form data-autosave>: every change is sent to the form's own address a moment later, as its button "keep" would, and what
   the server says goes into [data-autosave-result] of the form: when it was saved, and what else the person has to know.
   One letter at a time; the next takes everything typed meanwhile, and turns.js counts them. Without this file the form's
   buttons save. */

const WAIT = 700;
const TRY_AGAIN = 5000;
const open = new Map();

function letterOf(form) {
  const body = new FormData(form);
  body.set("go", "keep");
  return body;
}

function say(state, key) {
  const line = state.form.querySelector("[data-autosave-state]");
  if (line?.dataset[key]) line.textContent = line.dataset[key];
}

async function send(state) {
  clearTimeout(state.timer);
  if (state.isBusy || !state.isDirty || !state.form.isConnected) return;
  state.isBusy = true;
  state.isDirty = false;
  state.abort = new AbortController();
  try {
    const answer = await fetch(state.form.action, {
      method: "POST",
      body: letterOf(state.form),
      headers: { "HX-Request": "true", "HX-Current-URL": location.href },
      signal: state.abort.signal,
    });
    const elsewhere = answer.headers.get("HX-Redirect");
    if (elsewhere) {
      // Signed out meanwhile: what was typed is kept, and waits behind the sign-in.
      state.isLeaving = true;
      location.assign(elsewhere);
      return;
    }
    const result = state.form.querySelector("[data-autosave-result]");
    if (!answer.ok && answer.status !== 422) throw new Error(String(answer.status));
    if (answer.status === 422) {
      // Refused: the page as a whole says why once the form's own button is pressed.
      say(state, "refused");
      state.isRefused = true;
      return;
    }
    result.innerHTML = await answer.text();
    htmx.process(result);
    say(state, "saved");
    state.isRefused = false;
  } catch (error) {
    if (error.name === "AbortError") return;
    again(state);
  } finally {
    state.isBusy = false;
    if (state.isDirty && !state.timer) later(state);
  }
}

/* It did not arrive: say so, and try again until it has. */
function again(state) {
  state.isDirty = true;
  say(state, "waiting");
  clearTimeout(state.timer);
  state.timer = setTimeout(() => send(state), TRY_AGAIN);
}

function later(state) {
  clearTimeout(state.timer);
  state.timer = setTimeout(() => {
    state.timer = 0;
    send(state);
  }, WAIT);
}

/* The page goes away: the last words travel by themselves. */
function flush() {
  for (const state of open.values()) {
    if (!state.isDirty || state.isLeaving || !state.form.isConnected) continue;
    state.isDirty = false;
    state.wasFlushed = true;
    state.abort?.abort();
    navigator.sendBeacon(state.form.action, letterOf(state.form));
  }
}

/* Back again: ask the server to say whether the last words have come. */
function comeBack() {
  for (const state of open.values()) {
    if (!state.wasFlushed) continue;
    state.wasFlushed = false;
    state.isDirty = true;
    later(state);
  }
}

/* What stands in the form and not in the page: put back after a sign-in (kept_form.js), or by the browser itself. */
function isChanged(control) {
  if (control.type === "checkbox" || control.type === "radio") return control.checked !== control.defaultChecked;
  return control.matches("input:not([type=hidden]), textarea") && control.value !== control.defaultValue;
}

function attach(form) {
  if (open.has(form)) return;
  const state = { form, timer: 0, isBusy: false, isDirty: false, isLeaving: false };
  open.set(form, state);
  if ([...form.elements].some(isChanged)) {
    state.isDirty = true;
    later(state);
  }
  form.addEventListener("input", () => {
    state.isDirty = true;
    say(state, "typing");
    later(state);
  });
  form.addEventListener("submit", (event) => {
    if (event.defaultPrevented) return;
    clearTimeout(state.timer);
    state.isDirty = false;
    state.abort?.abort();
  }, { capture: true });
  // The button's own letter did not arrive either, and the page is still here with what was typed (in_place.js).
  for (const failed of ["htmx:sendError", "htmx:timeout", "htmx:responseError"]) {
    form.addEventListener(failed, () => again(state));
  }
}

function attachAll(root) {
  for (const form of open.keys()) if (!form.isConnected) open.delete(form);
  for (const form of root.querySelectorAll?.("form[data-autosave]") ?? []) attach(form);
}

document.addEventListener("htmx:load", (event) => attachAll(event.detail.elt));
addEventListener("online", () => {
  for (const state of open.values()) if (state.isDirty) send(state);
});
addEventListener("pagehide", flush);
document.addEventListener("visibilitychange", () => {
  if (document.visibilityState === "hidden") flush();
  else comeBack();
});
attachAll(document);
