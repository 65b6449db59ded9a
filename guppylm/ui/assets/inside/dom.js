// Building blocks. Everything a stranger wrote goes through here as a text node, never as markup.
const SVG = "http://www.w3.org/2000/svg";

function build(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value === true) node.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) node.setAttribute(name, value);
  }
  node.append(...children.flat(9).filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}
const h = (tag, attributes, ...children) => build(document.createElement(tag), attributes, children);
const svg = (tag, attributes, ...children) => build(document.createElementNS(SVG, tag), attributes, children);

const percent = (p) => (p > 0 && p < 0.005 ? "<1 %" : p < 1 && p >= 0.995 ? ">99 %" : `${Math.round(100 * p)} %`);
const number = (x) => (x === null ? "" : (Math.round(x * 100) / 100).toFixed(2).replace("-", "−"));

const signed = (x) => `${x < 0 ? "" : "+"}${number(x)}`;

// A token as people can see it: a space at its front is a gap between words, anything else unseen gets a sign.
function shown(token) {
  if (token.role === "gist") return `topic: ${state.view.topic}`;
  if (token.role === "end") return "end";
  return token.text === " " ? "␣" : token.text.replaceAll("\n", "⏎").replaceAll("\t", "⇥").trim() || "␣";
}

const bar = (share, kind = "") =>
  h("span", { class: `bar ${kind}`, "aria-hidden": "true" }, h("i", { style: `width:${Math.max(0, Math.min(100, 100 * share))}%` }));

// Arrow keys walk over the buttons of a group, which is one stop for Tab.
function roving(group) {
  const buttons = () => [...group.querySelectorAll("button")];
  buttons().forEach((button) => (button.tabIndex = button.getAttribute("aria-pressed") === "true" ? 0 : -1));
  if (!buttons().some((button) => button.tabIndex === 0) && buttons()[0]) buttons()[0].tabIndex = 0;
  group.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    const all = buttons(), at = all.indexOf(event.target);
    if (!step || at < 0) return;
    event.preventDefault();
    const next = all[(at + step + all.length) % all.length];
    next.focus();
    next.click();
  });
  return group;
}
