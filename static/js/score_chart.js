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

function options(data, ink, { isPrint, isNarrow }) {
  const still = isPrint || matchMedia("(prefers-reduced-motion: reduce)").matches;
  return {
    animation: still ? false : { duration: 200 }, responsive: true, maintainAspectRatio: false, parsing: false,
    interaction: { mode: "nearest", intersect: false },
    scales: {
      x: {
        type: "linear", min: data.from, max: data.to, grid: { display: false }, border: { color: ink.line },
        afterBuildTicks: (axis) => { axis.ticks = data.ticks.map((tick) => ({ value: tick.at })); },
        ticks: { color: ink.soft, maxRotation: 0, autoSkip: true, maxTicksLimit: isNarrow ? 3 : 7, callback: (value) => data.ticks.find((tick) => tick.at === value)?.label ?? "" },
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
  const setting = { type: "line", data: { datasets: datasets(data, ink) }, options: options(data, ink, { isPrint, isNarrow: canvas.parentElement.clientWidth < NARROW }) };
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
