// The console in the browser: live fragments, notices, menu, shortcuts. Pages work by plain links and forms;
// this keeps them fresh and makes them quick.

import { startCharts } from "./chart.js";
import { startDesk } from "./desk.js";
import { startLive } from "./live.js";
import { morph } from "./morph.js";
import { startNotify } from "./notify.js";
import { localiseTimes } from "./times.js";
import { say } from "./toast.js";

const frame = document.getElementById("frame");
const toast = document.getElementById("toast");
const have = new WeakMap();

function live(working) {
  const lost = document.getElementById("lost");
  if (lost) lost.hidden = working;
  for (const element of document.querySelectorAll("[data-live]")) element.classList.toggle("lost", !working);
}

document.body.addEventListener("htmx:beforeSwap", (event) => {
  const { target, xhr, requestConfig } = event.detail;
  if (requestConfig.verb !== "get" || !event.detail.shouldSwap) return;
  event.detail.shouldSwap = false;
  const page = new DOMParser().parseFromString(xhr.responseText, "text/html");
  localiseTimes(page.body);
  for (const element of morph(target, document.adoptNode(page.body))) window.htmx.process(element);
  if (requestConfig.elt === target) have.set(target, xhr.getResponseHeader("X-Fragment"));
  target.dispatchEvent(new CustomEvent("fresh", { bubbles: true }));
});

// A fragment says which version it has, and gets 204 instead of the same again.
document.body.addEventListener("htmx:configRequest", (event) => {
  const mark = have.get(event.detail.target);
  if (mark && event.detail.verb === "get" && event.detail.elt === event.detail.target) event.detail.headers["X-Have"] = mark;
});

document.body.addEventListener("htmx:afterRequest", (event) => event.detail.successful && live(true));

document.body.addEventListener("htmx:responseError", (event) => {
  const { xhr, requestConfig } = event.detail;
  if (requestConfig.verb === "get") live(false);
  else say(xhr.getResponseHeader("Content-Type")?.startsWith("text/plain") ? xhr.responseText : xhr.statusText);
});

for (const lost of ["htmx:sendError", "htmx:timeout"]) {
  document.body.addEventListener(lost, (event) => {
    live(false);
    if (event.detail.requestConfig.verb !== "get") say(toast.dataset.offline);
  });
}

document.addEventListener("click", (event) => {
  const pressed = event.target.closest("[data-menu], [data-open], [data-close], [data-copy], tr[data-href]");
  if (!pressed) return;
  if ("menu" in pressed.dataset) frame.dataset.menu = frame.dataset.menu === "open" ? "" : "open";
  else if (pressed.dataset.close) document.getElementById(pressed.dataset.close).close();
  else if (pressed.dataset.open) document.getElementById(pressed.dataset.open).showModal();
  else if (pressed.dataset.copy) navigator.clipboard?.writeText(document.getElementById(pressed.dataset.copy).textContent);
  else if (pressed.dataset.href && !event.target.closest("a, button, input, form")) location.assign(pressed.dataset.href);
});

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && frame.dataset.menu === "open") frame.dataset.menu = "";
  const typing = event.target.closest("input, textarea, select, dialog[open]");
  if (event.key === "?" && !typing) document.getElementById("shortcuts").showModal();
});

document.addEventListener("submit", (event) => {
  const question = event.submitter?.dataset.confirm ?? event.target.dataset?.confirm;
  if (question && !window.confirm(question)) event.preventDefault();
}, true);

// What scrolls must be reachable by keyboard, too.
function letScroll() {
  for (const wrap of document.querySelectorAll(".table-wrap")) wrap.tabIndex = wrap.scrollWidth > wrap.clientWidth ? 0 : -1;
}
window.addEventListener("resize", letScroll);
document.body.addEventListener("fresh", letScroll);

letScroll();
localiseTimes(document);
startCharts();
startDesk();
startNotify();
startLive();
// htmx takes the page over at this same moment, before us: from here on every key and button works.
document.addEventListener("DOMContentLoaded", () => (document.documentElement.dataset.ready = "yes"));
