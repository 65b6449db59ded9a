// Attention: all heads as small maps, one of them large, and its lines over the words.
const STATIONS = { wrote, numbers, stream, attention, layers, draw, memory, learned };

const weightsOf = (view) => (view.weights ??= Uint8Array.from(atob(view.attention.bytes), (character) => character.charCodeAt(0)));
function weight(layer, head, from, to) {
  const n = state.view.tokens.length;
  return weightsOf(state.view)[((layer * state.view.attention.heads + head) * n + from) * n + to] / 255;
}

// The head that looks hardest at a word from here, where none was chosen.
function usualHead() {
  const { layers, heads } = state.view.attention, { tokens } = state.view;
  let best = { layer: 0, head: 0, most: -1 };
  for (let layer = 0; layer < layers; layer++)
    for (let head = 0; head < heads; head++)
      for (let to = 0; to < state.query; to++)
        if (["message", "reply"].includes(tokens[to].role) && /[\p{L}\p{N}]/u.test(tokens[to].text) && weight(layer, head, state.query, to) > best.most)
          best = { layer, head, most: weight(layer, head, state.query, to) };
  return best;
}

function attention() {
  const { attention: { layers, heads }, habits, tokens } = state.view;
  const now = state.head ?? usualHead();
  const pick = (layer, head) => { state.head = { layer, head }; render(); };
  const grid = roving(h("div", { class: "heads", role: "group", "aria-label": "Layers from top to bottom, heads from left to right", style: `--heads:${heads}` },
    Array.from({ length: layers * heads }, (_, i) => {
      const layer = Math.floor(i / heads), head = i % heads;
      return h("button", { type: "button", "data-key": `h${i}`, title: `Layer ${layer + 1}, head ${head + 1}`, "aria-label": `Layer ${layer + 1}, head ${head + 1}`,
        "aria-pressed": String(layer === now.layer && head === now.head), onclick: () => pick(layer, head) }, map(layer, head));
    })));
  return [
    habits.length ? h("ul", { class: "habits" }, habits.map((one, i) => h("li", {}, h("button", { type: "button", "data-key": `habit${i}`,
      "aria-pressed": String(one.layer === now.layer && one.head === now.head), onclick: () => { state.query = one.query ?? state.query; pick(one.layer, one.head); } }, one.says)))) : h("p", { class: "soft" }, "In this conversation, no head does anything with a name."),
    h("div", { class: "maps" }, h("div", {}, h("h4", {}, "All heads: a row for each layer, the first on top"), grid),
      h("div", {}, h("h4", {}, `Layer ${now.layer + 1}, head ${now.head + 1}`), large(now))),
    h("h4", {}, "From ", h("q", {}, shown(tokens[state.query])), ", layer ", now.layer + 1, ", head ", now.head + 1),
    lookingLines(now),
    h("p", { class: "soft" }, "Choose a word to look from there. Nothing can look to its right: that has not been said yet."),
  ];
}

function paint(canvas, layer, head) {
  const n = state.view.tokens.length, context = canvas.getContext("2d"), image = context.createImageData(n, n);
  const [r, g, b] = getComputedStyle(element).getPropertyValue("--map").trim().split(/\s+/).map(Number);
  for (let from = 0; from < n; from++)
    for (let to = 0; to <= from; to++)
      image.data.set([r, g, b, 24 + 231 * Math.sqrt(weight(layer, head, from, to))], 4 * (from * n + to));
  context.putImageData(image, 0, 0);
}

function map(layer, head) {
  const n = state.view.tokens.length, canvas = h("canvas", { width: n, height: n, "aria-hidden": "true" });
  paint(canvas, layer, head);
  return canvas;
}

function large({ layer, head }) {
  const { tokens } = state.view, n = tokens.length, canvas = map(layer, head);
  const says = h("p", { class: "soft says" }, "Both ways in the order of the conversation: a row looks, a column is looked at. Point at a cell.");
  const cell = (event) => {
    const box = canvas.getBoundingClientRect();
    const at = (position, start, size) => Math.max(0, Math.min(n - 1, Math.floor((n * (position - start)) / size)));
    return [at(event.clientY, box.top, box.height), at(event.clientX, box.left, box.width)];
  };
  canvas.addEventListener("pointermove", (event) => {
    const [from, to] = cell(event);
    says.textContent = to > from ? "Not said yet." : `“${shown(tokens[from])}” gives “${shown(tokens[to])}” ${percent(weight(layer, head, from, to))}`;
  });
  canvas.addEventListener("click", (event) => { state.query = Math.max(0, cell(event)[0]); state.head = { layer, head }; render(); });
  return [h("div", { class: "large" }, canvas, h("i", { style: `top:${(100 * state.query) / n}%;height:${100 / n}%` })), says];
}

function lookingLines({ layer, head }) {
  const { tokens } = state.view, from = state.query;
  const words = tokens.map((one, at) => {
    const share = at <= from ? weight(layer, head, from, at) : 0;
    return h("button", { type: "button", class: `token ${one.role}${at > from ? " later" : ""}`, "aria-pressed": String(at === from), "data-key": `q${at}`, style: `--share:${Math.round(75 * share)}%`,
      "aria-label": `${shown(one)}, ${percent(share)}`, onclick: () => { state.query = at; state.head = { layer, head }; render(); } }, shown(one), share >= 0.05 ? h("small", {}, percent(share)) : null);
  });
  const over = svg("svg", { "aria-hidden": "true" });
  const box = h("div", { class: "looks", lang: persona().language }, roving(h("div", { class: "tokens", role: "group", "aria-label": "Who is looked at" }, words)), over);
  const centre = (word) => [word.offsetLeft + word.offsetWidth / 2, word.offsetTop + word.offsetHeight / 2];
  const lay = () => {
    if (!box.isConnected) return;
    over.setAttribute("viewBox", `0 0 ${box.clientWidth} ${box.clientHeight}`);
    const [x1, y1] = centre(words[from]);
    over.replaceChildren(...words.slice(0, from + 1).flatMap((word, at) => {
      const share = weight(layer, head, from, at);
      if (share < 0.03 || at === from) return [];
      const [x0, y0] = centre(word), up = Math.min(y0, y1) - 26;
      return [svg("path", { d: `M${x1} ${y1 - 14}Q${(x0 + x1) / 2} ${up} ${x0} ${y0 - 14}`, style: `stroke-width:${1 + 6 * share};opacity:${0.25 + 0.75 * share}` })];
    }));
  };
  requestAnimationFrame(lay);
  new ResizeObserver(lay).observe(box);
  return box;
}
