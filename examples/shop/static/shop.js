// The few things a form alone can't do: steppers, and opening the chat at the right subject.
document.addEventListener("click", (event) => {
  const step = event.target.closest("[data-step]");
  if (step) {
    const stepper = step.closest(".stepper");
    const input = stepper.querySelector("input");
    const least = stepper.hasAttribute("data-submit") ? 0 : 1;
    input.value = Math.min(99, Math.max(least, Number(input.value || 0) + Number(step.dataset.step)));
    if (stepper.hasAttribute("data-submit")) stepper.closest("form").requestSubmit();
    return;
  }
  const ask = event.target.closest("[data-ask-item], [data-ask-order]");
  if (ask) {
    // The real chatpush has a version; before it has loaded there is only a queue.
    if (!window.chatpush.version) return sayAway();
    if (ask.dataset.askItem) window.chatpush("openConversation", { about: { item: ask.dataset.askItem } });
    else window.chatpush("open", "chat");
  }
});
function sayAway() {
  const hint = document.querySelector(".hint");
  hint.hidden = false;
  setTimeout(() => (hint.hidden = true), 5000);
}
document.addEventListener("change", (event) => {
  if (event.target.closest(".stepper[data-submit]")) event.target.form.requestSubmit();
});
// A menu closes when one clicks elsewhere.
document.addEventListener("click", (event) => {
  document.querySelectorAll("details.who[open]").forEach((menu) => {
    if (!menu.contains(event.target)) menu.open = false;
  });
});
