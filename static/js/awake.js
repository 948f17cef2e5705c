/* [data-session]: keys and touches keep a sign-in alive, and nothing else on a page does; before the end the page says so.
   Only what a person does counts (event.isTrusted), said to the server at most once a minute. The absolute end stays where
   it is. Other tabs may have been used meanwhile, so the server is asked before anybody is warned. */

const SAY_EVERY = 60_000;
const WARN_AT = 120_000;
const LOOK_EVERY = 5_000;
const bar = document.querySelector("[data-session]");
const words = bar.querySelector("[data-session-words]");
const stay = bar.querySelector("[data-session-stay]");
const again = bar.querySelector("[data-session-again]");

let idleAt = 0;
let endAt = 0;
let saidAt = Date.now();
let waiting = 0;
let asking = false;
let isOver = false;

function learn({ idle, end }) {
  idleAt = Date.now() + idle * 1000;
  endAt = Date.now() + end * 1000;
}

function show(said, { canStay = false, canReturn = false } = {}) {
  // Said once for each state: a countdown would be read out again and again.
  if (words.textContent !== said) words.textContent = said;
  stay.hidden = !canStay;
  again.hidden = !canReturn;
}

async function ask(address) {
  if (asking || isOver) return;
  asking = true;
  try {
    const answer = await fetch(address, { redirect: "manual", headers: { Accept: "application/json" } });
    if (answer.ok) learn(await answer.json());
    else if (answer.type === "opaqueredirect") {
      isOver = true;
      again.href = location.href;
      show(bar.dataset.over, { canReturn: true });
    }
  } catch {
    // No network: the clock goes on, and the next look asks again.
  } finally {
    asking = false;
  }
}

async function sayStillHere() {
  clearTimeout(waiting);
  waiting = 0;
  saidAt = Date.now();
  await ask(bar.dataset.stillHere);
  if (!isOver) tell();
}

function tell() {
  const left = Math.min(idleAt, endAt) - Date.now();
  if (left > WARN_AT) show("");
  else if (endAt <= idleAt) show(bar.dataset.last);
  else show(left > WARN_AT / 2 ? bar.dataset.soon : bar.dataset.now, { canStay: true });
}

async function look() {
  if (isOver) return;
  const left = Math.min(idleAt, endAt) - Date.now();
  const isNew = left <= WARN_AT && !words.textContent;
  if (isNew || left <= 0) await ask(bar.dataset.timeLeft);
  if (!isOver) tell();
}

function alive(event) {
  if (!event.isTrusted || isOver || waiting) return;
  const wait = saidAt + SAY_EVERY - Date.now();
  // What is done within the minute is said at its end, so that it counts as well.
  waiting = setTimeout(sayStillHere, Math.max(0, wait));
}

learn({ idle: Number(bar.dataset.idle), end: Number(bar.dataset.end) });
for (const kind of ["keydown", "input", "pointerdown", "wheel"]) {
  document.addEventListener(kind, alive, { capture: true, passive: true });
}
stay.addEventListener("click", sayStillHere);
document.addEventListener("visibilitychange", () => document.hidden || look());
setInterval(look, LOOK_EVERY);
