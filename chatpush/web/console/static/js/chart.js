// Deliveries over time. Colours come from the style sheet, data from the server, every few seconds.

const EVERY_MS = 5000;

function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

function options(box, width) {
  const stroke = colour("--ink-3");
  const grid = { stroke: colour("--chart-grid"), width: 1 };
  const axis = { stroke, grid, ticks: { show: false }, font: `11px ${getComputedStyle(document.body).fontFamily}` };
  const line = (label, name, fill) => ({
    label, stroke: colour(name), width: 2, points: { show: false }, value: (_, n) => (n == null ? "" : n),
    fill: fill ? colour(name) + "1c" : undefined, paths: window.uPlot.paths.linear(),
  });
  const hours = new Intl.DateTimeFormat(document.documentElement.lang, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
  return {
    width, height: 286, padding: [12, 8, 0, 0],
    cursor: { y: false, points: { size: 7 } },
    legend: { live: true },
    scales: { y: { range: (_, __, most) => [0, Math.max(4, most * 1.15)] } },
    series: [
      { value: (_, at) => (at == null ? "" : hours.format(new Date(at * 1000))) },
      line(box.dataset.sent, "--chart-1", true),
      line(box.dataset.delivered, "--chart-2", false),
      line(box.dataset.clicked, "--chart-3", false),
    ],
    axes: [
      { ...axis, space: 72, size: 32, values: (_, ticks) => ticks.map((at) => hours.format(new Date(at * 1000))) },
      { ...axis, size: 40, incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000, 100000] },
    ],
  };
}

function startChart(box) {
  let range = "hour";
  let plot = null;
  async function refresh() {
    const answer = await fetch(`${box.dataset.chart}?range=${range}`, { headers: { "HX-Request": "true" } }).catch(() => null);
    if (!answer?.ok) return;
    const data = await answer.json();
    if (plot) plot.setData(data);
    else plot = new window.uPlot(options(box, box.clientWidth), data, box);
  }
  const timer = setInterval(() => document.hidden || refresh(), EVERY_MS);
  window.addEventListener("pagehide", () => clearInterval(timer));
  new ResizeObserver(() => plot?.setSize({ width: box.clientWidth, height: 286 })).observe(box);
  for (const choice of document.querySelectorAll("[data-range]")) {
    choice.addEventListener("click", () => {
      range = choice.dataset.range;
      for (const other of document.querySelectorAll("[data-range]")) other.setAttribute("aria-pressed", other === choice);
      refresh();
    });
  }
  refresh();
}

// Two small charts by day below the numbers of service; both from one answer.
function serviceOptions(box) {
  const stroke = colour("--ink-3");
  const grid = { stroke: colour("--chart-grid"), width: 1 };
  const axis = { stroke, grid, ticks: { show: false }, font: `11px ${getComputedStyle(document.body).fontFamily}` };
  const days = new Intl.DateTimeFormat(document.documentElement.lang, { month: "short", day: "numeric", timeZone: "UTC" });
  const quality = box.dataset.service === "quality";
  const names = ["one", "two", "three"].filter((name) => box.dataset[name]);
  const round = (_, n) => (n == null ? "–" : Number.isInteger(n) ? n : n.toFixed(1));
  return {
    width: box.clientWidth, height: 200, padding: [12, 8, 0, 0],
    cursor: { y: false, points: { size: 6 } },
    scales: { x: { time: true }, y: { range: (_, __, most) => [0, Math.max(4, (most ?? 0) * 1.15)] }, score: { range: [0, 5] } },
    series: [
      { value: (_, at) => (at == null ? "" : days.format(new Date(at * 1000))) },
      ...names.map((name, index) => ({
        label: box.dataset[name], stroke: colour(`--chart-${index + 1}`), width: 2, spanGaps: true, points: { size: 5 },
        value: round, scale: quality && index === 1 ? "score" : "y",
      })),
    ],
    axes: [
      { ...axis, space: 60, size: 32, values: (_, ticks) => ticks.map((at) => days.format(new Date(at * 1000))) },
      { ...axis, size: 40 },
      ...(quality ? [{ ...axis, scale: "score", side: 1, size: 28, grid: { show: false } }] : []),
    ],
  };
}

function startService() {
  const boxes = [...document.querySelectorAll("[data-service]")];
  const panel = document.getElementById("service");
  if (!boxes.length || !panel) return;
  const plots = new Map();
  let span = "week";
  async function refresh() {
    const answer = await fetch(`/console/overview/service-chart?range=${span}`, { headers: { "HX-Request": "true" } }).catch(() => null);
    if (!answer?.ok) return;
    const data = await answer.json();
    for (const box of boxes) {
      const plot = plots.get(box);
      if (plot) plot.setData(data[box.dataset.service]);
      else plots.set(box, new window.uPlot(serviceOptions(box), data[box.dataset.service], box));
    }
  }
  for (const box of boxes) new ResizeObserver(() => plots.get(box)?.setSize({ width: box.clientWidth, height: 200 })).observe(box);
  panel.addEventListener("click", (event) => {
    const chosen = event.target.closest("[data-span]");
    if (!chosen) return;
    span = chosen.dataset.span;
    panel.setAttribute("hx-vals", JSON.stringify({ range: span }));
    window.htmx.trigger(panel, "span");
    refresh();
  });
  refresh();
}

export function startCharts() {
  if (!window.uPlot) return;
  for (const box of document.querySelectorAll("[data-chart]")) startChart(box);
  startService();
}
