/* A form that may be sent several times carries "entry_key", which is "<window>.<turn>": the turn grows with each letter,
   by script or by its button, so that the server does not read a late letter as news. Without this file a window speaks once. */

document.addEventListener("formdata", (event) => {
  const key = event.target.elements.namedItem("entry_key");
  if (!key) return;
  const [name, turn] = key.value.split(".");
  key.value = `${name}.${Number(turn) + 1}`;
  event.formData.set("entry_key", key.value);
});
