/* [data-kept-form="/path/"]: what was typed before a sign-in ended is put back into the form that is sent to that path.
   Only what can be seen is filled in: a hidden field is the fresh page's own. The one exception is the version that was
   typed over, without which the form would undo what others changed since. Nothing is ever sent from here. What finds no
   field stays in the panel to be copied, as all of it does without this file. */

function formFor(action) {
  return [...document.querySelectorAll("form[method=post]")].find((form) => {
    if (form.closest("[data-kept-form]")) return false;
    return new URL(form.getAttribute("action") ?? "", location.href).pathname === action;
  });
}

function put(control, values) {
  if (control.type === "checkbox" || control.type === "radio") {
    control.checked = values.includes(control.value);
    return control.checked;
  }
  if (control.options) {
    for (const option of control.options) option.selected = values.includes(option.value);
    return [...control.options].some((option) => option.selected);
  }
  control.value = values[0];
  return true;
}

function fill(panel) {
  const form = formFor(panel.dataset.keptForm);
  if (!form) return;
  const typed = new Map();
  for (const row of panel.querySelectorAll("[data-kept-field]")) {
    const values = [...row.querySelectorAll("[data-kept-value]")].map((value) => value.dataset.keptValue);
    typed.set(row.dataset.keptField, { row, values });
  }
  let filled = false;
  for (const control of form.elements) {
    if (!control.name || control.matches("button, fieldset, output, [type=hidden], [type=password], [type=file]")) continue;
    const kept = typed.get(control.name);
    if (!kept && control.type === "checkbox") control.checked = false;
    if (!kept || !put(control, kept.values)) continue;
    kept.row.hidden = true;
    filled = true;
    control.dispatchEvent(new Event("input", { bubbles: true }));
  }
  if (!filled) return;
  const seen = form.querySelector("input[type=hidden][name=version]");
  if (seen && typed.has("version")) seen.value = typed.get("version").values[0];
  const said = panel.querySelector("[data-kept-said]");
  said.textContent = said.dataset.filled;
}

for (const panel of document.querySelectorAll("[data-kept-form]")) fill(panel);
