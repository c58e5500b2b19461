// The agent's desk: keys, a list that loads more as it is read, a thread that stays at its end unless the
// reader scrolled up.

import { startComposer, write } from "./composer.js";

const NEAR_END_PX = 80;

function lines() {
  return [...document.querySelectorAll("#lines [data-line]")];
}

function move(step) {
  const all = lines();
  const at = all.findIndex((line) => line.getAttribute("aria-current") === "true");
  const next = all[Math.min(Math.max(at + step, 0), all.length - 1)];
  if (next && next !== all[at]) next.click();
}

function toEnd(turns) {
  turns.scrollTop = turns.scrollHeight;
}

function watchEnd() {
  const turns = document.getElementById("turns");
  if (!turns) return;
  let atEnd = true;
  toEnd(turns);
  turns.addEventListener("scroll", () => {
    atEnd = turns.scrollHeight - turns.scrollTop - turns.clientHeight < NEAR_END_PX;
  });
  document.body.addEventListener("fresh", () => atEnd && toEnd(turns));
  new ResizeObserver(() => atEnd && toEnd(turns)).observe(turns);
}

// The list asks for as many lines as were read so far, and for more when its end comes into sight.
function loadMore() {
  const inbox = document.getElementById("inbox");
  const ask = (button) => {
    if (!button || inbox.dataset.asked === button.dataset.more) return;
    inbox.dataset.asked = button.dataset.more;
    inbox.setAttribute("hx-vals", JSON.stringify({ lines: button.dataset.more }));
    document.body.dispatchEvent(new CustomEvent("list"));
  };
  const seen = new IntersectionObserver((entries) => {
    for (const entry of entries) if (entry.isIntersecting) ask(entry.target.querySelector("[data-more]"));
  }, { rootMargin: "400px" });
  const watch = () => {
    seen.disconnect();
    const end = document.getElementById("more");
    if (end) seen.observe(end);
  };
  inbox.addEventListener("click", (event) => ask(event.target.closest("[data-more]")));
  inbox.addEventListener("fresh", watch);
  watch();
}

const KEYS = {
  j: () => move(1),
  k: () => move(-1),
  t: () => document.querySelector("[data-take]")?.click(),
  a: () => document.querySelector("[data-release]")?.click(),
  e: () => document.querySelector("[data-end]")?.click(),
  r: () => write("reply"),
  n: () => write("note"),
  s: () => document.getElementById("search")?.focus(),
};

export function startDesk() {
  if (!document.getElementById("desk")) return;
  watchEnd();
  startComposer(toEnd);
  loadMore();
  document.querySelector("#lines [aria-current]")?.scrollIntoView({ block: "nearest" });
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, textarea, select, dialog[open]")) return;
    const act = KEYS[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  });
}
