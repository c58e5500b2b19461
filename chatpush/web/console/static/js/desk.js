// The agent's desk: keys, the composer, and a thread that stays at its end unless the reader scrolled up.

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

function startComposer() {
  const form = document.getElementById("composer");
  if (!form) return;
  const box = form.elements.text;
  const button = form.querySelector("button");
  const draft = `chatpush-draft:${form.getAttribute("hx-post")}`;

  function settle() {
    const head = document.querySelector(".thread-head");
    const open = head.dataset.mine === "yes" && head.dataset.may === "yes";
    box.disabled = button.disabled = !open;
    box.placeholder = open ? form.dataset.open : form.dataset.locked;
  }
  function grow() {
    box.rows = Math.min(8, Math.max(2, box.value.split("\n").length));
    sessionStorage.setItem(draft, box.value);
  }

  box.value = sessionStorage.getItem(draft) ?? "";
  box.addEventListener("input", grow);
  box.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
      event.preventDefault();
      if (box.value.trim()) form.requestSubmit();
    } else if (event.key === "Escape") box.blur();
  });
  form.addEventListener("submit", (event) => {
    if (!box.value.trim()) event.stopImmediatePropagation();
  }, true);
  form.addEventListener("htmx:afterRequest", (event) => {
    if (event.detail.elt !== form || !event.detail.successful) return;
    box.value = "";
      grow();
    toEnd(document.getElementById("turns"));
    box.focus();
  });
  document.body.addEventListener("fresh", settle);
  settle();
  grow();
}

export function startDesk() {
  if (!document.getElementById("desk")) return;
  watchEnd();
  startComposer();
  document.querySelector("#lines [aria-current]")?.scrollIntoView({ block: "nearest" });
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, textarea, select, dialog[open]")) return;
    if (event.key === "j") move(1);
    else if (event.key === "k") move(-1);
    else if (event.key === "t") document.querySelector("[data-take]")?.click();
    else if (event.key === "r") {
      event.preventDefault();
      document.getElementById("reply")?.focus();
    }
  });
}
