// Desktop notifications, asked for by a button: somebody waits, my customer wrote, an answer is late.
// They name nobody and quote nothing: a lock screen is no place for either.

import { say } from "./toast.js";

const KEY = "chatpush-notify";
const frame = document.getElementById("frame");
const button = document.querySelector("[data-notify]");
const told = new Map();

function wanted() {
  return "Notification" in window && Notification.permission === "granted" && localStorage.getItem(KEY) === "on";
}

function show() {
  if (button) button.setAttribute("aria-pressed", wanted());
}

function tell(text, conversation) {
  const notice = new Notification("chatpush", { body: text, tag: conversation, icon: document.querySelector("link[rel=icon]").href });
  notice.addEventListener("click", () => {
    window.focus();
    location.assign(`/console/conversations/${conversation}`);
  });
}

export function notifyOf(hint) {
  if (!button || !wanted() || !document.hidden) return;
  const conversation = hint.conversation ?? hint.id;
  if (hint.type === "conversation") {
    if (hint.state === "waiting" && told.get(conversation) !== "waiting") tell(button.dataset.waiting, conversation);
    told.set(conversation, hint.state);
  } else if (hint.type === "turn" && hint.by === "user" && hint.agent === frame.dataset.me) tell(button.dataset.wrote, conversation);
  else if (hint.type === "deadline" && hint.over) tell(button.dataset.late, conversation);
}

export function startNotify() {
  if (!button || !("Notification" in window)) return;
  button.hidden = false;
  button.addEventListener("click", async () => {
    if (wanted()) localStorage.setItem(KEY, "off");
    else if ((await Notification.requestPermission()) === "granted") {
      localStorage.setItem(KEY, "on");
      say(button.dataset.on);
    }
    show();
  });
  show();
}
