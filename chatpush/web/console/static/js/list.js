// A window on a list of any length: at most a few pages of it are in the document, the next ones come when
// its end or its beginning comes into sight, and what is being read stays where it is. A live refresh asks
// for the window alone, so a list of ten thousand costs what one of two hundred does.

const PAGE = 50;
const PAGES = 4;
const NEAR = "400px";

export function startList() {
  const inbox = document.getElementById("inbox");
  // Where each page known so far begins; the window shows `count` of them from `first` on.
  let starts = [JSON.parse(inbox.getAttribute("hx-vals")).after];
  let first = 0;
  let count = 1;
  let asking = false;
  let held = null;

  const scroller = () => document.getElementById("lines");

  function ask() {
    asking = true;
    inbox.setAttribute("hx-vals", JSON.stringify({ lines: String(count * PAGE), after: starts[first] }));
    document.body.dispatchEvent(new CustomEvent("list"));
  }

  function onwards() {
    const next = [...inbox.querySelectorAll("[data-place]")].at(-1)?.dataset.place;
    if (asking || !next) return;
    starts = [...starts.slice(0, first + count), next];
    if (count < PAGES) count += 1;
    else first += 1;
    ask();
  }

  function back() {
    if (asking) return;
    if (first > 0) first -= 1;
    else [starts, count] = [[""], PAGES]; // nobody remembers what stood before: from the beginning
    ask();
  }

  const seen = new IntersectionObserver((entries) => {
    const ids = entries.filter((entry) => entry.isIntersecting).map((entry) => entry.target.id);
    if (ids.includes("more")) onwards();
    else if (ids.includes("newer") && first > 0) back();
  }, { rootMargin: NEAR });

  function watch() {
    seen.disconnect();
    for (const id of ["more", "newer"]) {
      const end = document.getElementById(id);
      if (end) seen.observe(end);
    }
  }

  // Before the window changes, remember the first line in sight, and afterwards put it back where it was.
  document.body.addEventListener("htmx:beforeSwap", (event) => {
    if (event.detail.target !== inbox || !scroller()) return;
    const top = scroller().getBoundingClientRect().top;
    const line = [...inbox.querySelectorAll("li[id^=line-]")].find((one) => one.getBoundingClientRect().bottom > top);
    held = line && scroller().scrollTop > 0 ? { id: line.id, top: line.getBoundingClientRect().top } : null;
  }, true);
  inbox.addEventListener("fresh", () => {
    const line = held && document.getElementById(held.id);
    if (line && asking) scroller().scrollTop += line.getBoundingClientRect().top - held.top;
    held = null;
    asking = false;
    watch();
  });
  for (const failed of ["htmx:responseError", "htmx:sendError"]) {
    inbox.addEventListener(failed, () => { asking = false; });
  }
  inbox.addEventListener("click", (event) => {
    if (event.target.closest("[data-more]")) onwards();
    else if (event.target.closest("[data-newer]")) back();
  });
  watch();
}
