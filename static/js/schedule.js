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
  const { kinds, rooms, people, states, rows } = await answer.json();
  const names = new Set(facts.resources.map((resource) => resource.id));
  return rows.flatMap(([hex, from, length, name, kindNo, roomNo, personNo, stateNo, tail, version]) => {
    const id = hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
    const start = plus(`${facts.date}T00:00`, from);
    const end = plus(start, length);
    const [kind, room, person] = [kinds[kindNo - 1], rooms[roomNo - 1], people[personNo - 1]];
    const [status, look, word] = states[stateNo - 1];
    const team = facts.teams[id];
    const own = [facts.by === "room" ? room : person].find((taken) => names.has(taken)) ?? "none";
    const classNames = ["look", `status-${look}`];
    const drawn = [];
    // Chosen down to somebody who only helps, the visit has no column of its own here.
    if (own !== "none" || !facts.isChosen || facts.by === "room") {
      drawn.push({
        id,
        start,
        end,
        resourceIds: [own],
        title: name,
        classNames,
        editable: facts.move.includes(status),
        extendedProps: { id, kind, word, version, own, parts: team && facts.view === "day" ? bands(team) : null },
      });
      if (facts.by === "room" && tail && facts.view === "day") {
        drawn.push({ ...behind(`${id}-tail`, "tail", end, plus(end, tail), [own]), extendedProps: { label: facts.words.tail } });
      }
    }
    if (facts.by === "person" && team) {
      team.people.forEach(([who, , duty, starts, ends], at) => {
        if (who === person || !names.has(who)) return;
        drawn.push({
          id: `${id}-${at}`,
          start: plus(start, starts),
          end: plus(start, ends),
          resourceIds: [who],
          title: name,
          classNames: [...classNames, "helps"],
          editable: false,
          extendedProps: { id, kind: `${kind} \u00b7 ${duty}`, word },
        });
      });
    }
    return drawn;
  });
}

/* The parts of a visit of several, each with its minutes and those who are with the patient in it. */
function bands(team) {
  return team.parts.map(([word, starts, ends]) => ({
    word,
    minutes: ends - starts,
    people: [...new Set(team.people.filter(([, , , from, to]) => from < ends && starts < to).map(([, name]) => name.split(" ")[0]))].join(", "),
  }));
}

function shading(facts) {
  return [
    ...facts.shut.map(([start, end, person], at) => behind(`shut-${at}`, "shut", start, end, person ? [person] : everybody(facts))),
    ...facts.named.map(([start, end, person, label], at) => ({
      ...behind(`named-${at}`, "named", start, end, person ? [person] : everybody(facts)),
      extendedProps: { label },
    })),
  ];
}

/* In a week of days what is shut or away is a line of its own, above the visits of that day. */
function names(facts) {
  return facts.named.map(([start, end, person, label], at) => ({
    id: `named-${at}`,
    start,
    end,
    resourceIds: person ? [person] : everybody(facts),
    title: label,
    classNames: ["named-line"],
    editable: false,
    extendedProps: { label, isNote: true },
  }));
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
  const { kind, word, parts, label, isNote } = event.extendedProps;
  if (isNote) return { domNodes: [element("span", "ec-label", label)] };
  if (event.display === "background") return label ? { domNodes: [element("span", "ec-label", label)] } : "";
  const head = [
    element("span", "ec-when", timeText),
    element("strong", "ec-who", event.title),
    element("span", "ec-what", `${kind} \u00b7 ${word}`),
  ];
  if (!parts) return { domNodes: head };
  const card = element("div", "ec-bands", "");
  for (const part of parts) {
    const band = element("div", "ec-band", "");
    band.style.setProperty("flex-grow", String(part.minutes));
    band.append(element("span", "ec-part", part.word), element("span", "ec-there", part.people));
    card.append(band);
  }
  return { domNodes: [...head, card] };
}

/* Dropped somewhere else, a visit asks: the server says in words what would move and who is told, and what is in the way.
   Nothing has moved until that is answered; whoever closes the question leaves the visit where it was. */
function ask(facts, { event, revert = () => {}, newResource }) {
  if (isAsking) return revert();
  isAsking = true;
  const dialog = document.getElementById("move-dialog");
  const asked = new URLSearchParams({
    at: `${event.start.getFullYear()}-${two(event.start.getMonth() + 1)}-${two(event.start.getDate())}T${two(event.start.getHours())}:${two(event.start.getMinutes())}`,
    version: event.extendedProps.version,
    back: "schedule",
  });
  const column = (newResource ?? {}).id;
  if (column && column !== "none") asked.set(facts.by === "room" ? "room" : "clinician", column);
  const url = `${facts.visit}${event.extendedProps.id}/confirm-move/?${asked}`;
  htmx
    .ajax("GET", url, { target: "#move-body", swap: "innerHTML" })
    .then(() => {
      if (!dialog.querySelector("[data-move-facts]")) throw new Error("no answer");
      dialog.addEventListener("close", revert, { once: true });
      dialog.showModal();
      dialog.querySelector("h2")?.focus();
    })
    .catch(revert)
    .finally(() => {
      isAsking = false;
    });
}

// One question at a time: what is dropped while another one is on its way goes back.
let isAsking = false;

const two = (number) => String(number).padStart(2, "0");

function make(place) {
  const facts = JSON.parse(document.getElementById(place.dataset.schedule).textContent);
  const shape = facts.view === "day" ? "day" : facts.resources.length === 1 ? "one" : "week";
  facts.isChosen = place.dataset.chosen === "yes";
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
    // A finger that moves scrolls; one that rests for half a second takes the visit up.
    eventStartEditable: facts.move.length > 0,
    eventDurationEditable: false,
    eventLongPressDelay: 500,
    snapDuration: "00:15",
    eventDrop: (drop) => ask(facts, drop),
    eventClick({ event }) {
      if (event.extendedProps.kind) location.assign(`${facts.visit}${event.extendedProps.id}/`);
    },
  });
  let found = [];
  const draw = () => calendar.setOption("events", shape === "week" ? [...names(facts), ...found] : [...shading(facts), ...found, nowLine(facts)]);
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

document.addEventListener("click", (event) => {
  const leave = event.target.closest("#move-dialog [data-move-leave]");
  if (!leave) return;
  event.preventDefault();
  leave.closest("dialog").close();
});

if (document.querySelector("[data-schedule]")) {
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-schedule-show]");
    if (!button) return;
    kept(button.dataset.scheduleShow);
    show(button.dataset.scheduleShow);
  });
  show(kept() ?? (matchMedia("(max-width: 767px)").matches ? "list" : "calendar"));
}
