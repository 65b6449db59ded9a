// A chip sends its words; "others" turns the page to the next few chips of the topic.
element.addEventListener("click", (event) => {
  const chip = event.target.closest("[data-ask]");
  if (chip) {
    trigger("ask", { text: chip.dataset.ask });
    return;
  }
  const more = event.target.closest("[data-more]");
  if (!more) return;
  const chips = [...more.parentElement.querySelectorAll("[data-ask]")];
  const n = Number(more.dataset.more);
  const shown = chips.findLastIndex((other) => !other.hidden);
  const first = (shown + 1) % chips.length;
  chips.forEach((other, i) => (other.hidden = !(i >= first && i < first + n)));
});
