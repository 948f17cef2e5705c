/* canvas[data-score-chart]: draws the course of scores that the attribute holds. The table beside it says the same, and
   every word and day comes from the server: the browser may stand in another zone. */

const probe = document.createElement("span");
probe.hidden = true;

function colour(name) {
  probe.style.color = `var(--${name})`;
  return getComputedStyle(probe).color;
}

// On a phone the words would lie over the course; there they stand under the picture.
const NARROW = 480;

function bandsAndLines(data, ink, isNarrow) {
  const drawn = {};
  const font = { size: 11, weight: "normal" };
  data.bands.forEach((band, place) => {
    drawn[`band${place}`] = {
      type: "box", yMin: band.from, yMax: band.to, borderWidth: 0, backgroundColor: colour(`${band.tone}-soft`),
      drawTime: "beforeDatasetsDraw",
      label: { display: !isNarrow, content: band.label, position: { x: "end", y: "center" }, color: ink.soft, font },
    };
  });
  data.lines.forEach((line, place) => {
    drawn[`line${place}`] = {
      type: "line", yMin: line.at, yMax: line.at, borderColor: ink.strong, borderWidth: 1,
      borderDash: line.kind === "baseline" ? [] : [6, 4], drawTime: "beforeDatasetsDraw",
      label: { display: !isNarrow, content: line.label, position: "start", color: ink.text, backgroundColor: ink.panel, font, padding: 2, drawTime: "beforeDatasetsDraw" },
    };
  });
  return drawn;
}

function datasets(data, ink) {
  const courses = data.stretches.map((stretch) => ({
    data: stretch, borderColor: ink.accent, borderWidth: 2, tension: 0, pointRadius: 5, pointHoverRadius: 7,
    pointBorderColor: ink.accent, pointBorderWidth: 2,
    // A score that was filled in by rule is a ring and no dot.
    pointBackgroundColor: stretch.map((dot) => (dot.prorated ? ink.panel : ink.accent)),
  }));
  const gaps = {
    data: data.gaps.map((gap) => ({ ...gap, y: data.low })), showLine: false, pointStyle: "crossRot", pointRadius: 6,
    pointHoverRadius: 8, pointBorderColor: ink.soft, pointBorderWidth: 2, clip: false,
  };
  return data.gaps.length ? [...courses, gaps] : courses;
}

// The words of the bands stand at the right; the course ends before them.
function roomForBands(data, canvas) {
  const pen = canvas.getContext("2d");
  pen.font = `11px ${getComputedStyle(document.body).fontFamily}`;
  const widest = Math.max(0, ...data.bands.map((band) => pen.measureText(band.label).width + 16));
  const wide = canvas.parentElement.clientWidth - 48;
  return ((data.to - data.from) * widest) / (wide - widest);
}

// Every day that is named has room for its name; the days have the same distance from each other.
function daysThatFit(data, canvas, room) {
  if (data.ticks.length < 2) return data.ticks;
  const pen = canvas.getContext("2d");
  pen.font = `12px ${getComputedStyle(document.body).fontFamily}`;
  const widest = Math.max(...data.ticks.map((tick) => pen.measureText(tick.label).width + 12));
  const apart = (canvas.parentElement.clientWidth - 48) * (data.ticks[1].at - data.ticks[0].at) / (data.to + room - data.from);
  const every = Math.ceil(widest / apart);
  return data.ticks.filter((_tick, place) => place % every === 0);
}

function options(data, ink, { isPrint, isNarrow, room }, canvas) {
  const still = isPrint || matchMedia("(prefers-reduced-motion: reduce)").matches;
  const days = daysThatFit(data, canvas, room);
  return {
    animation: still ? false : { duration: 200 }, responsive: true, maintainAspectRatio: false, parsing: false,
    interaction: { mode: "nearest", intersect: false },
    scales: {
      x: {
        type: "linear", min: data.from, max: data.to + room, grid: { display: false }, border: { color: ink.line },
        afterBuildTicks: (axis) => { axis.ticks = days.map((day) => ({ value: day.at })); },
        ticks: { color: ink.soft, maxRotation: 0, autoSkip: true, callback: (value) => days.find((day) => day.at === value)?.label ?? "" },
      },
      y: { min: data.low, max: data.high, grid: { color: ink.line }, border: { display: false }, ticks: { color: ink.soft, precision: 0 } },
    },
    plugins: {
      legend: { display: false },
      tooltip: { displayColors: false, callbacks: { title: () => "", label: (hit) => hit.raw.label } },
      annotation: { annotations: bandsAndLines(data, ink, isNarrow) },
    },
  };
}

function draw(canvas, isPrint = false) {
  if (!window.Chart) return;
  const data = JSON.parse(canvas.dataset.scoreChart);
  canvas.after(probe);
  const ink = {
    text: colour("ink"), soft: colour("ink-soft"), strong: colour("neutral-line"), line: colour("line"), panel: colour("panel"),
    accent: colour("accent"),
  };
  const isNarrow = canvas.parentElement.clientWidth < NARROW;
  const setting = { type: "line", data: { datasets: datasets(data, ink) }, options: options(data, ink, { isPrint, isNarrow, room: isNarrow ? 0 : roomForBands(data, canvas) }, canvas) };
  probe.remove();
  Chart.getChart(canvas)?.destroy();
  Chart.defaults.font.family = getComputedStyle(document.body).fontFamily;
  new Chart(canvas, setting);
}

function drawAll(root, isPrint = false) {
  for (const canvas of root.querySelectorAll?.("canvas[data-score-chart]") ?? []) draw(canvas, isPrint);
}

let wasDrawn = false;
function begin() {
  if (wasDrawn) return;
  wasDrawn = true;
  drawAll(document);
  document.addEventListener("htmx:load", (event) => drawAll(event.detail.elt));
  new MutationObserver(() => drawAll(document)).observe(document.documentElement, { attributeFilter: ["data-bs-theme", "data-theme"] });
  // The system may change between day and night while the page's own choice is "as the system".
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => drawAll(document));
  addEventListener("beforeprint", () => drawAll(document, true));
  addEventListener("afterprint", () => drawAll(document));
}

// Modules run after deferred scripts, so the library is there; a page that htmx swaps in brings the frame alone.
document.fonts.ready.then(begin);
