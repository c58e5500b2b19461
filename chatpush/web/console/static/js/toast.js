// A few words at the foot of the page, for a moment.

const SHOWN_MS = 6000;
const toast = document.getElementById("toast");
let timer = 0;

export function say(text) {
  toast.textContent = text;
  toast.hidden = false;
  clearTimeout(timer);
  timer = setTimeout(() => (toast.hidden = true), SHOWN_MS);
}
