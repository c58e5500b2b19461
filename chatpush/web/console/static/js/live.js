// Hear of what happens over the realtime channel console:activity; without it, ask every few seconds.
// Hints carry no words, only what changed: the page asks for the fragments it shows.

import { notifyOf } from "./notify.js";

const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 20000;
const ASK_EVERY_MS = 2000;
const GATHER_MS = 120;
// Counters and badges are looked at this often at most; the last hint is always followed by a look.
const COUNT_EVERY_MS = { activity: 1000 };
const TYPING_MS = 5000;

let socket = null;
let wait = FIRST_WAIT_MS;
let heard = false;
const planned = new Set();
const looked = new Map();
let typingTimer = 0;

function state(connected) {
  heard = connected;
  document.documentElement.dataset.live = connected ? "push" : "ask";
}

// Several hints in a row become one request for each fragment.
function refresh(...names) {
  for (const name of names) {
    if (planned.has(name)) continue;
    planned.add(name);
    const rest = (COUNT_EVERY_MS[name] ?? 0) - (performance.now() - (looked.get(name) ?? -Infinity));
    setTimeout(() => {
      planned.delete(name);
      looked.set(name, performance.now());
      document.body.dispatchEvent(new CustomEvent(name));
    }, Math.max(GATHER_MS, rest));
  }
}

function showTyping(seen) {
  const line = document.getElementById("typing");
  if (!line) return;
  line.textContent = seen ? line.dataset.text : "";
  clearTimeout(typingTimer);
  if (seen) typingTimer = setTimeout(() => showTyping(false), TYPING_MS);
}

function hear(hint) {
  const open = document.getElementById("desk")?.dataset.conversation;
  const here = open && (hint.conversation ?? hint.id) === open;
  if (hint.type === "typing") {
    if (here && hint.by === "user") showTyping(true);
    return;
  }
  if (hint.type === "turn" && here) showTyping(false);
  refresh("activity", "list");
  if (here) refresh("thread");
  if (here && hint.type !== "turn") refresh("customer");
  notifyOf(hint);
}

function receive(line) {
  if (line === "{}") return socket.send("{}"); // a ping wants its pong
  const reply = JSON.parse(line);
  if (reply.connect) {
    wait = FIRST_WAIT_MS;
    state(true);
    refresh("activity", "list", "thread"); // what happened while nobody listened
  }
  const data = reply.push?.pub?.data;
  if (data) hear(data);
}

async function listen() {
  const answer = await fetch("/console/live", { headers: { "HX-Request": "true" } }).catch(() => null);
  const token = answer?.ok ? (await answer.json()).token : null;
  if (!token) return again();
  socket = new WebSocket(`${location.origin.replace(/^http/, "ws")}/connection/websocket`);
  socket.addEventListener("open", () => socket.send(JSON.stringify({ id: 1, connect: { token } })));
  socket.addEventListener("message", (event) => event.data.split("\n").forEach((line) => line && receive(line)));
  socket.addEventListener("close", again);
}

function again() {
  state(false);
  setTimeout(listen, wait * (0.75 + Math.random() / 2));
  wait = Math.min(wait * 2, LONGEST_WAIT_MS);
}

export function startLive() {
  if (!document.getElementById("frame")) return;
  state(false);
  setInterval(() => heard || document.hidden || refresh("activity", "list", "thread"), ASK_EVERY_MS);
  window.addEventListener("pagehide", () => {
    socket?.removeEventListener("close", again);
    socket?.close();
  });
  listen();
}
