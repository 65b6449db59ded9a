// The page follows the system's light or dark; this button overrides it for this browser.
const root = document.body;
const KEY = "guppylm-light";
const wanted = () => { try { return localStorage.getItem(KEY); } catch { return null; } };

function show(mode) {
  root.classList.toggle("dark", mode === "dark");
  const button = element.querySelector("button");
  if (button) button.setAttribute("aria-pressed", mode === "dark");
}

if (wanted()) show(wanted());
element.addEventListener("click", (event) => {
  if (!event.target.closest("button")) return;
  const mode = root.classList.contains("dark") ? "light" : "dark";
  try { localStorage.setItem(KEY, mode); } catch { /* private window: it lasts as long as the page */ }
  show(mode);
});
