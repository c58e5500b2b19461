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

export function startCharts() {
  if (window.uPlot) for (const box of document.querySelectorAll("[data-chart]")) startChart(box);
}
