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

const SILENCE_MS = 10000; // beyond the server's own pings

let socket = null;
let silence = 0;
let pingMs = 0;
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

// A connection that has gone without a word (sleep, a lost network) is told by the pings that stay away.
function alive() {
  clearTimeout(silence);
  if (pingMs) silence = setTimeout(() => socket?.close(), pingMs + SILENCE_MS);
}

function receive(line) {
  if (line === "{}") return socket.send("{}"); // a ping wants its pong
  const reply = JSON.parse(line);
  // Refused, or taken off the channel: nothing would be heard here any more.
  if (reply.error || reply.push?.unsubscribe) return socket.close();
  if (reply.connect) {
    wait = FIRST_WAIT_MS;
    pingMs = (reply.connect.ping ?? 0) * 1000;
    alive();
    state(true);
    refresh("activity", "list", "thread"); // what happened while nobody listened
  }
  const data = reply.push?.pub?.data;
  if (data) hear(data);
}

async function listen() {
  const answer = await fetch("/console/live", { headers: { "HX-Request": "true" } }).catch(() => null);
  const { token, key } = (answer?.ok && (await answer.json().catch(() => null))) || {};
  if (!token) return again();
  const query = key ? `?key=${encodeURIComponent(key)}` : "";
  const own = new WebSocket(`${location.origin.replace(/^http/, "ws")}/connection/websocket${query}`);
  shut(socket);
  socket = own;
  own.addEventListener("open", () => socket === own && own.send(JSON.stringify({ id: 1, connect: { token } })));
  own.addEventListener("message", (event) => {
    if (socket !== own) return;
    alive();
    event.data.split("\n").forEach((line) => line && receive(line));
  });
  own.addEventListener("close", () => socket === own && again());
}

function again() {
  leave();
  setTimeout(listen, wait * (0.75 + Math.random() / 2));
  wait = Math.min(wait * 2, LONGEST_WAIT_MS);
}

function leave() {
  clearTimeout(silence);
  shut(socket);
  socket = null;
  pingMs = 0;
  state(false);
}

// One that is not open yet is closed once it is: closing it before is an error to the browser.
function shut(left) {
  if (left?.readyState === WebSocket.CONNECTING) left.addEventListener("open", () => left.close());
  else left?.close();
}

export function startLive() {
  if (!document.getElementById("frame")) return;
  state(false);
  setInterval(() => heard || document.hidden || refresh("activity", "list", "thread"), ASK_EVERY_MS);
  // What could not be asked is asked again; a badge must not keep what was true before.
  for (const failed of ["htmx:responseError", "htmx:sendError"]) {
    document.body.addEventListener(failed, (event) => {
      if (event.target.closest?.("[hx-trigger*='activity']")) setTimeout(() => refresh("activity"), ASK_EVERY_MS);
    });
  }
  window.addEventListener("pagehide", leave);
  // A page that the browser has kept comes back as it was left: deaf.
  window.addEventListener("pageshow", (event) => event.persisted && listen());
  listen();
}
