// The agent's desk: keys, a list that moves as it is read, a thread that stays at its end unless the reader
// scrolled up.

import { startComposer, write } from "./composer.js";
import { startList } from "./list.js";

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
  startList();
  document.querySelector("#lines [aria-current]")?.scrollIntoView({ block: "nearest" });
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, textarea, select, dialog[open]")) return;
    const act = KEYS[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  });
}
