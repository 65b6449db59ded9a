// A button that leads to another tab of the page, by that tab's name.
element.addEventListener("click", (event) => {
  const room = event.target.closest("[data-room]")?.dataset.room;
  if (room) [...document.querySelectorAll("#rooms [role=tab]")].find((tab) => tab.textContent.trim() === room)?.click();
});
