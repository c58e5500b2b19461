// The list of dead letters by keyboard: j and k move, x ticks, r sends again what is ticked, Enter opens.

const rows = [...document.querySelectorAll("[data-letter]")];
const form = document.getElementById("letters");
const every = document.querySelector("[data-every]");
const boxes = rows.flatMap((row) => [...row.querySelectorAll("input[name=ids]")]);

function count() {
  const ticked = boxes.filter((box) => box.checked).length;
  for (const button of document.querySelectorAll("[data-needs-tick]")) button.disabled = ticked === 0;
  if (!every) return;
  every.checked = ticked > 0 && ticked === boxes.length;
  every.indeterminate = ticked > 0 && ticked < boxes.length;
}

function move(step) {
  const here = rows.findIndex((row) => row.contains(document.activeElement));
  const next = rows[Math.min(Math.max(here + step, 0), rows.length - 1)];
  next?.querySelector("a.title").focus();
}

document.addEventListener("keydown", (event) => {
  const typing = event.target.closest("select, textarea, dialog[open]") || event.target.matches("input:not([type=checkbox])");
  if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
  const row = document.activeElement?.closest("[data-letter]");
  if (event.key === "j") move(1);
  else if (event.key === "k") move(-1);
  else if (event.key === "x") row?.querySelector("input[name=ids]")?.click();
  else if (event.key === "r" && boxes.some((box) => box.checked)) form.requestSubmit(form.querySelector("button.primary"));
  else return;
  event.preventDefault();
});

every?.addEventListener("change", () => {
  for (const box of boxes) box.checked = every.checked;
  count();
});
for (const box of boxes) box.addEventListener("change", count);
count();
