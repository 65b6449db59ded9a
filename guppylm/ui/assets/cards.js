// Cards are one group of radio buttons: one tab stop, arrow keys to walk, Space or Enter to choose.
const cards = () => [...element.querySelectorAll("[role=radio]")];

function choose(card) {
  for (const other of cards()) {
    const chosen = other === card;
    other.setAttribute("aria-checked", chosen);
    other.tabIndex = chosen ? 0 : -1;
  }
  card.focus();
  card.scrollIntoView({ block: "nearest", inline: "nearest" });
  trigger("pick", { name: card.dataset.name });
}

element.addEventListener("click", (event) => {
  if (event.target.closest("code")) return; // a command is there to be selected and copied
  const card = event.target.closest("[role=radio]");
  if (card && card.getAttribute("aria-checked") !== "true") choose(card);
});

element.addEventListener("keydown", (event) => {
  const card = event.target.closest("[role=radio]");
  if (!card) return;
  const step = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1 }[event.key];
  if (step) {
    const all = cards();
    choose(all[(all.indexOf(card) + step + all.length) % all.length]);
  } else if (event.key === " " || event.key === "Enter") {
    choose(card);
  } else {
    return;
  }
  event.preventDefault();
});
