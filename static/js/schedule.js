/* [data-schedule="id"]: the calendar, made from the JSON block with that id and from the visits its URL answers with.
   The list beside it shows the same visits and is what there is without this file, on paper and on a phone. Which of the
   two is shown is this browser's own choice. */

const KEPT = "schedule-show";
const CLOCK = { hour: "2-digit", minute: "2-digit", hourCycle: "h23" };

// A private window may refuse storage; the choice then lasts for this page.
function kept(what) {
  try {
    if (what) localStorage.setItem(KEPT, what);
    return localStorage.getItem(KEPT);
  } catch {
    return null;
  }
}

function element(tag, className, text) {
  const made = document.createElement(tag);
  made.className = className;
  made.textContent = text;
  return made;
}

function plus(wallClock, minutes) {
  const moment = new Date(`${wallClock}:00Z`);
  moment.setUTCMinutes(moment.getUTCMinutes() + minutes);
  return moment.toISOString().slice(0, 16);
}

function behind(id, className, start, end, resourceIds) {
  return { id, start, end, resourceIds, title: "", display: "background", classNames: [className] };
}

async function visits(facts) {
  const answer = await fetch(facts.events, { headers: { Accept: "application/json" } });
  if (!answer.ok) throw new Error(String(answer.status));
  const { looks, rows } = await answer.json();
  const names = new Set(facts.resources.map((resource) => resource.id));
  return rows.flatMap(([id, start, end, name, kind, room, person, status, tail]) => {
    const [look, word] = looks[status];
    const own = [facts.by === "room" ? room : person].find((taken) => names.has(taken)) ?? "none";
    const visit = { id, start, end, resourceIds: [own], title: name, classNames: ["look", `status-${look}`], extendedProps: { kind, word } };
    return facts.by === "room" && tail && facts.view === "day"
      ? [visit, behind(`${id}-tail`, "tail", end, plus(end, tail), [own])]
      : [visit];
  });
}

function shading(facts) {
  return facts.shut.map(([start, end, person], at) => behind(`shut-${at}`, "shut", start, end, person ? [person] : everybody(facts)));
}

/* The line of the present moment is ours: the library draws its own by the browser's clock and zone, not the clinic's. */
function nowLine(facts) {
  const now = plus(facts.now, Math.floor(performance.now() / 60000));
  return behind("now", "now-line", now, plus(now, 1), everybody(facts));
}

const everybody = (facts) => [...facts.resources.map((resource) => resource.id), "none"];

const VIEWS = {
  day: { view: "resourceTimeGridDay" },
  week: { view: "resourceTimelineWeek", slotDuration: { days: 1 }, slotWidth: 120 },
  one: { view: "timeGridWeek" },
};

function content({ event, timeText }) {
  if (event.display === "background") return "";
  const { kind, word } = event.extendedProps;
  return {
    domNodes: [
      element("span", "ec-when", timeText),
      element("strong", "ec-who", event.title),
      element("span", "ec-what", `${kind} \u00b7 ${word}`),
    ],
  };
}

function make(place) {
  const facts = JSON.parse(document.getElementById(place.dataset.schedule).textContent);
  const shape = facts.view === "day" ? "day" : facts.resources.length === 1 ? "one" : "week";
  place.dataset.shape = shape;
  place.style.setProperty("--columns", shape === "day" ? facts.resources.length : 7);
  const calendar = EventCalendar.create(place, {
    slotDuration: "00:30",
    slotHeight: 32,
    ...VIEWS[shape],
    date: facts.date,
    locale: "en-GB",
    firstDay: 1,
    headerToolbar: false,
    allDaySlot: false,
    customScrollbars: false,
    displayEventEnd: false,
    height: "auto",
    slotMinTime: shape === "week" ? "00:00" : facts.from,
    slotMaxTime: shape === "week" ? "24:00" : facts.to,
    slotEventOverlap: false,
    slotLabelFormat: CLOCK,
    eventTimeFormat: CLOCK,
    dayHeaderFormat: { weekday: "short", day: "numeric", month: "short" },
    resources: facts.resources,
    eventContent: content,
    eventClick({ event }) {
      if (event.display !== "background") location.assign(`${facts.visit}${event.id}/`);
    },
  });
  let found = [];
  const draw = () => calendar.setOption("events", shape === "week" ? found : [...shading(facts), ...found, nowLine(facts)]);
  draw();
  visits(facts)
    .then((rows) => {
      found = rows;
      // What has no room, or a person who no longer works here, still has its column.
      if (rows.some((row) => row.resourceIds[0] === "none") && shape !== "one") {
        calendar.setOption("resources", [...facts.resources, { id: "none", title: facts.none }]);
      }
      draw();
    })
    .catch(() => show("list"));
  setInterval(draw, 60000);
}

function show(what) {
  const place = document.querySelector("[data-schedule]");
  const list = document.querySelector("[data-schedule-list]");
  const isCalendar = what === "calendar" && typeof EventCalendar !== "undefined";
  if (isCalendar && !place.dataset.made) {
    place.dataset.made = "yes";
    place.hidden = false;
    make(place);
  }
  place.hidden = !isCalendar;
  list.classList.toggle("print-only", isCalendar);
  for (const button of document.querySelectorAll("[data-schedule-show]")) {
    button.setAttribute("aria-pressed", String(button.dataset.scheduleShow === (isCalendar ? "calendar" : "list")));
  }
}

if (document.querySelector("[data-schedule]")) {
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-schedule-show]");
    if (!button) return;
    kept(button.dataset.scheduleShow);
    show(button.dataset.scheduleShow);
  });
  show(kept() ?? (matchMedia("(max-width: 767px)").matches ? "list" : "calendar"));
}
