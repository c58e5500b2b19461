// Where an agent writes: replies and notes, ready answers after a slash, a suggestion, the sign of typing.
// A reply carries an id of its own until it has arrived, so that sending it twice says it once.

import { say } from "./toast.js";

const TYPING_EVERY_MS = 3000;

export function startComposer(toEnd) {
  const form = document.getElementById("composer");
  if (!form) return;
  const box = form.elements.text;
  const button = form.querySelector("button.primary");
  const list = document.getElementById("canned");
  const draft = `chatpush-draft:${form.getAttribute("hx-post")}`;
  let typedAt = 0;
  let asked = 0;

  const isNote = () => form.elements.as.value === "note";

  function settle() {
    const head = document.querySelector(".thread-head");
    const mine = head.dataset.mine === "yes" && head.dataset.may === "yes";
    const open = isNote() ? head.dataset.may === "yes" : mine;
    box.disabled = button.disabled = !open;
    box.placeholder = isNote() ? form.dataset.note : open ? form.dataset.open : form.dataset.locked;
    form.classList.toggle("is-note", isNote());
  }

  function grow() {
    box.rows = Math.min(8, Math.max(2, box.value.split("\n").length));
    sessionStorage.setItem(draft, box.value);
  }

  function put(text) {
    box.value = text;
    grow();
    box.focus();
  }

  function sign() {
    if (isNote() || !box.value || Date.now() - typedAt < TYPING_EVERY_MS) return;
    typedAt = Date.now();
    // Not through htmx: a reply must never wait for, or give way to, a mere sign.
    const headers = JSON.parse(document.body.getAttribute("hx-headers") ?? "{}");
    fetch(box.dataset.typing, { method: "POST", headers }).catch(() => null);
  }

  function close() {
    list.hidden = true;
    box.removeAttribute("aria-activedescendant");
  }

  async function offer(start) {
    const turn = ++asked;
    const answer = await fetch(`${list.dataset.list}?start=${encodeURIComponent(start)}`, { headers: { "HX-Request": "true" } }).catch(() => null);
    if (turn !== asked || !answer?.ok) return;
    list.replaceChildren(...new DOMParser().parseFromString(await answer.text(), "text/html").body.childNodes);
    list.hidden = false;
  }

  function choose(step) {
    const all = [...list.querySelectorAll("[role=option]")];
    const at = all.findIndex((one) => one.getAttribute("aria-selected") === "true");
    const next = all[(at + step + all.length) % all.length];
    for (const one of all) one.setAttribute("aria-selected", one === next);
    if (next) box.setAttribute("aria-activedescendant", next.id);
    next?.scrollIntoView({ block: "nearest" });
  }

  async function use(option) {
    close();
    const answer = await fetch(option.dataset.use, { headers: { "HX-Request": "true" } }).catch(() => null);
    const text = answer ? await answer.text() : "";
    if (answer?.ok) put(text);
    else say(text);
  }

  box.value = sessionStorage.getItem(draft) ?? "";
  box.addEventListener("input", () => {
    grow();
    const start = /^\/([^\s/]*)$/.exec(box.value);
    if (start) offer(start[1]);
    else {
      close();
      sign();
    }
  });
  box.addEventListener("keydown", (event) => {
    if (!list.hidden && ["ArrowDown", "ArrowUp", "Enter", "Tab", "Escape"].includes(event.key)) {
      const chosen = list.querySelector("[aria-selected=true]");
      if (event.key === "Escape" || !chosen) close();
      else if (event.key.startsWith("Arrow")) choose(event.key === "ArrowDown" ? 1 : -1);
      else use(chosen);
      if (event.key !== "Escape" || chosen) event.preventDefault();
      return;
    }
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
      event.preventDefault();
      if (box.value.trim()) form.requestSubmit();
    } else if (event.key === "Escape") box.blur();
  });
  list.addEventListener("click", (event) => {
    const option = event.target.closest("[data-use]");
    if (option) use(option);
  });
  form.addEventListener("click", async (event) => {
    if (event.target.closest("[data-canned]") && !box.disabled) {
      box.focus();
      offer("");
    }
    const suggest = event.target.closest("[data-suggest]");
    if (!suggest || box.disabled) return;
    const answer = await fetch(suggest.dataset.suggest, { headers: { "HX-Request": "true" } }).catch(() => null);
    const text = answer?.ok ? await answer.text() : "";
    if (text) put(text);
    else say(suggest.dataset.nothing);
  });
  form.addEventListener("change", settle);
  form.addEventListener("submit", (event) => {
    if (!box.value.trim()) return event.stopImmediatePropagation();
    form.elements.client_id.value ||= crypto.randomUUID?.() ?? `${Date.now()}-${Math.random()}`;
  }, true);
  form.addEventListener("htmx:afterRequest", (event) => {
    if (event.detail.elt !== form || !event.detail.successful) return;
    form.elements.client_id.value = "";
    box.value = "";
    grow();
    toEnd(document.getElementById("turns"));
    box.focus();
  });
  document.body.addEventListener("fresh", settle);
  settle();
  grow();
}

// Write a reply or a note, from the keyboard.
export function write(as) {
  const form = document.getElementById("composer");
  if (!form) return;
  form.elements.as.value = as;
  form.dispatchEvent(new Event("change"));
  form.elements.text.focus();
}
