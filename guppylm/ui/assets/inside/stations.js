// What each station shows, but for the heads, which have a file of their own.
const waiting = (found) => (found?.problem ? h("p", { class: "problem" }, found.problem) : h("p", { class: "soft", role: "status" }, "Searching what it was trained on …"));
const lines = (title, found) => h("div", { class: "lines" }, h("h4", {}, title),
  found.map((line) => h("p", {}, h("code", { class: "where" }, line.where), h("code", { class: "yaml" }, line.text))));

function row(found, spans = null) {
  const lang = persona().language;
  return h("div", { class: "row" },
    h("p", { class: "asked", lang }, found.input || "(silence)"),
    h("p", { class: "replied", lang }, spans ? marked(found.output, spans) : found.output));
}

function marked(text, spans) {
  const characters = [...text], parts = [];
  let at = 0;
  for (const [start, end] of spans) {
    parts.push(characters.slice(at, start).join(""), h("mark", {}, characters.slice(start, end).join("")));
    at = end;
  }
  return [...parts, characters.slice(at).join("")];
}

function wrote() {
  const memory = state.memory;
  if (!memory || memory.waiting || memory.problem) return waiting(memory);
  const mine = memory.runs.find((run) => run.start <= state.focus && state.focus < run.end);
  const found = mine ?? memory.runs[0] ?? memory.nearest[0];
  if (!found) return h("p", {}, "No conversation it was trained on is anything like this.");
  return [
    h("p", {}, "One of the conversations it was trained on:"), row(found),
    lines("What was said to it was made from", found.asked), lines("What it answered was made from", found.replied),
    found.words.length ? h("p", {}, "Filled in: ", found.words.map(([slot, word]) => [h("code", {}, `<${slot}>`), " → ", h("b", {}, word), "  "])) : null,
    h("p", { class: "soft" }, "In these lines, (a|b) is one of several, <name> is a word or line from a list, 3* makes a line three times as frequent."),
  ];
}

function numbers() {
  const { tokens, model, note } = state.view;
  const isWord = (one) => one.role !== "marker" && one.role !== "gist" && one.role !== "end";
  const spelt = (one) => one.bytes.map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
  const strange = (one) => isWord(one) && !/^[\p{L}\p{N}\p{P}\p{S}\p{Z}]+$/u.test(one.text.replace(/^\\x..$/, "\u0000"));
  return [
    h("ol", { class: "pieces", lang: persona().language }, tokens.map((one, at) => h("li", { class: `${one.role}${at === state.focus ? " here" : ""}`, title: one.bytes.length ? `bytes ${spelt(one)}` : "a marker: no bytes of its own" },
      h("span", {}, isWord(one) ? shown(one) : one.text.replaceAll("\n", "⏎")), h("b", {}, one.id), strange(one) ? h("small", {}, spelt(one)) : null))),
    h("p", {}, `${tokens.length} tokens of at most ${model.context}.`), bar(tokens.length / model.context),
    note ? h("p", {}, note) : null,
    h("p", { class: "soft" }, "Above, the token; below, its number in the vocabulary. Point at one for its bytes."),
  ];
}

function stream() {
  const found = token(), { parts, n_parameters, d_ff, d_model } = state.view.model;
  if (!found) return waiting();
  const longest = Math.max(...found.sizes.map((one) => one.after));
  const before = shown(state.view.tokens[state.focus - 1]);
  const box = (title, layer, names, ...inside) => h("details", { class: "box" },
    h("summary", { "data-key": `box-${layer}-${names[0]}` }, h("span", {}, title), ...inside),
    h("dl", {}, parts.filter((part) => part.layer === layer && names.some((name) => part.name.startsWith(name))).map((part) => [
      h("dt", {}, h("code", {}, part.name), ` ${part.n.toLocaleString("en")} numbers`),
      h("dd", {}, part.says, h("br"), Object.entries(part.shapes).map(([name, shape]) => `${name}: ${shape}`).join(", "))])));
  const added = (amount) => [bar(amount / longest, "added"), h("small", {}, `adds ${number(amount)}`)];
  return [
    h("p", {}, "The row of ", h("q", {}, before), " on its way up, where the token after it is decided. Open a box to see what is in it."),
    h("div", { class: "model" },
      box("Rows of the token and of its place", null, ["tokens", "positions"], bar(found.sizes[0].before / longest), h("small", {}, `length ${number(found.sizes[0].before)}`)),
      found.sizes.map((one, layer) => h("div", { class: "block" }, h("h4", {}, `Layer ${layer + 1}`),
        box("Attention", layer, ["attention"], added(one.attention)),
        box("Network", layer, ["feed_forward"], added(one.feed_forward), h("small", {}, `${one.firing} of ${d_ff} neurons fire`)),
        h("p", { class: "after" }, bar(one.after / longest), h("small", {}, `length ${number(one.after)}`)))),
      box("Norm, and a score for every token", null, ["norm"], h("small", {}, "with the table of tokens again"))),
    h("p", { class: "soft" }, `${n_parameters.toLocaleString("en")} numbers were learned in all. A row has ${d_model}; its length is the root of the sum of their squares. In the boxes, a weight is a table to multiply by and a bias a row to add.`),
  ];
}

function layers() {
  const found = token();
  if (!found) return waiting();
  const said = state.view.tokens[state.focus], last = found.layers.length - 1;
  const name = (n) => (n === 0 ? "before any layer" : n === last ? `layer ${n}: what counts` : `behind layer ${n}`);
  const guess = ([text, p, id]) => h("td", { class: id === said.id ? "said" : "" }, h("span", {}, text.trim() || "␣"), h("small", {}, percent(p)));
  const topics = state.view.topics;
  const most = Math.max(...found.pushes.map(([, , amount]) => Math.abs(amount)), 0.01);
  const part = { embedding: "rows of token and place", attention: "attention", feed_forward: "network", bias: "a fixed addition at the end" };
  return [
    h("h4", {}, "The five likeliest next tokens, layer by layer"),
    h("div", { class: "wide" }, h("table", { class: "guesses" }, h("tbody", {}, found.layers.map((one, n) => h("tr", { class: n === found.settled ? "settled" : "" },
      h("th", { scope: "row" }, name(n)), one.best.map(guess), h("td", { class: "rank" }, one.rank === 1 ? "" : `“${shown(said)}” is no. ${one.rank.toLocaleString("en")} of ${state.view.model.vocab_size.toLocaleString("en")}`)))))),
    h("p", { class: "soft" }, "Before any layer, a token's row agrees best with itself. The line marks where the last favourite took the lead for good."),
    h("h4", {}, "How much each part added to the score of ", h("q", {}, shown(said)), ", and of ", h("q", {}, found.rival.trim() || "␣")),
    h("p", { class: "soft" }, "Beyond what it added for the average token. The bars are for the first, the second figures for the other."),
    h("ul", { class: "pushes" }, found.pushes.map(([kind, layer, amount, other]) => h("li", {},
      h("span", {}, layer === null ? part[kind] : `layer ${layer + 1}, ${part[kind]}`),
      h("span", { class: "scale", "aria-hidden": "true" }, h("i", { class: amount < 0 ? "less" : "more", style: `width:${(50 * Math.abs(amount)) / most}%` })),
      h("b", {}, signed(amount)), h("small", {}, signed(other))))),
    topics.length ? [h("h4", {}, "Where the topic is decided: the place right after the message"),
      h("div", { class: "wide" }, h("table", { class: "topics" },
        h("thead", {}, h("tr", {}, h("td"), topics[0].p.map((_, n) => h("th", { scope: "col" }, n === 0 ? "before" : `layer ${n}`)))),
        h("tbody", {}, topics.map((one) => h("tr", {}, h("th", { scope: "row" }, one.label), one.p.map((p) => h("td", { style: `--p:${Math.round(100 * p)}%` }, percent(p))))))))] : null,
  ];
}

function draw() {
  const found = token();
  if (!found) return waiting();
  if (!found.draw) return h("p", {}, "The topic is not drawn: the likeliest is taken, so that the dice cannot make the persona mishear. Choose a token of the reply.");
  const place = h("div", {});
  const knobs = { ...found.draw.sampling };
  let isAsking = false, isStale = false;
  const redo = async () => { // one question at a time; the latest setting is always asked for in the end
    if (isAsking) { isStale = true; return; }
    isAsking = true;
    const { temperature, top_k, top_p } = knobs;
    const other = await asked("draw_again", { ask: state.ask, position: found.position, knobs: { temperature, top_k, top_p } });
    isAsking = false;
    if (isStale) { isStale = false; return redo(); }
    place.replaceChildren(...(other.problem ? [h("p", { class: "problem" }, other.problem)] : drawn(other)));
  };
  const slider = (key, label, min, max, step) => {
    const out = h("output", {}, String(knobs[key]));
    return h("label", {}, h("span", {}, label, " ", out), h("input", { type: "range", min, max, step, value: knobs[key], "data-key": key,
      oninput: (event) => { knobs[key] = Number(event.target.value); out.textContent = event.target.value; redo(); } }));
  };
  place.append(...drawn(found.draw));
  return [h("div", { class: "knobs" }, slider("temperature", "Temperature", 0, 2, 0.05), slider("top_k", "Top-k", 0, 100, 1), slider("top_p", "Top-p", 0.05, 1, 0.05)), place];
}

const isByHand = () => (state.ask.begin ?? []).length > state.focus - state.view.first;

function drawn(found) {
  const left = found.candidates.filter((one) => one.p > 0).sort((a, b) => a.end - b.end);
  const chosen = found.candidates.find((one) => one.id === found.id), said = state.view.tokens[state.focus];
  const text = (one) => one.text.trim().replaceAll("\n", "⏎") || "␣";
  const goOn = (one) => look({ ...state.ask, n_tokens: 0, begin: [...state.view.tokens.slice(state.view.first, state.focus).map((token) => token.id), one.id] }, state.focus);
  return [
    h("div", { class: "line", role: "img", "aria-label": `From 0 to 1, likeliest first; the random number is ${found.uniform}` },
      left.map((one, i) => h("span", { class: `${one.id === found.id ? "chosen " : ""}${i % 2 ? "odd" : ""}`, style: `width:${100 * one.p}%`, title: `${text(one)} ${percent(one.p)}` }, one.p > 0.06 ? text(one) : "")),
      h("i", { style: `left:${100 * found.uniform}%` })),
    h("p", {}, `The random number ${found.uniform.toFixed(2)} falls on `, h("q", {}, chosen ? text(chosen) : "…"),
      found.id === found.said ? "." : [isByHand() ? ". You chose " : ". It said ", h("q", {}, shown(said)), "."], ` ${found.n_left.toLocaleString("en")} ${found.n_left === 1 ? "token is" : "tokens are"} in the draw.`),
    h("div", { class: "wide" }, h("table", { class: "candidates" },
      h("thead", {}, h("tr", {}, ["token", "score", "÷ temperature", "model’s own", "in the draw", ""].map((name) => h("th", { scope: "col" }, name)))),
      h("tbody", {}, found.candidates.map((one) => h("tr", { class: `${one.id === found.id ? "chosen" : ""} ${one.fate ? "out" : ""}` },
        h("th", { scope: "row" }, one.pick ? h("button", { type: "button", title: "Let the reply go on with this token", "data-key": `c${one.id}`, onclick: () => goOn(one) }, text(one)) : text(one)),
        h("td", {}, number(one.logit)), h("td", {}, number(one.tempered)), h("td", {}, percent(one.p_model)),
        h("td", { class: "p" }, one.fate ? one.fate : [percent(one.p), bar(one.p)]), h("td", { class: "soft" }, one.rank > 12 ? `no. ${one.rank.toLocaleString("en")}` : "")))))),
    h("p", { class: "soft" }, "Choose a token, and the reply goes on from it."),
  ];
}

function memory() {
  const found = state.memory;
  if (!found || found.waiting || found.problem) return waiting(found);
  const { tokens, first } = state.view;
  const runOf = (at) => found.runs.findIndex((run) => run.start <= at && at < run.end);
  return [
    h("p", { class: `verdict ${found.verdict.replaceAll(" ", "-")}` }, found.says),
    h("p", { class: "runs", lang: persona().language }, tokens.slice(first).filter((one) => one.role !== "end").map((one, i) => {
      const run = runOf(first + i);
      return h("span", { class: run < 0 ? "own" : `run r${run % 4}`, title: run < 0 ? "stands like this in no training conversation of this topic" : `part ${run + 1}` }, one.text);
    })),
    found.runs.map((run, i) => h("details", { class: `part r${i % 4}`, open: i === 0 },
      h("summary", { "data-key": `run${i}` }, found.runs.length > 1 ? `Part ${i + 1}: stands in this conversation` : "Stands in this conversation"), row(run), lines("Its reply was made from", run.replied))),
    found.nearest.length ? [h("h4", {}, "The training conversations most like it"), found.nearest.map((one) => row(one, one.shared))] : null,
  ];
}

function learned() {
  const found = state.learned;
  if (!found || found.waiting) return h("p", { class: "soft" }, "…");
  if (!found.frames?.length) return h("p", {}, found.problem ?? "This bundle kept nothing of its training.");
  const place = h("div", {});
  const show = (at) => {
    found.at = at;
    const frame = found.frames[at];
    place.replaceChildren(curve(found, frame),
      h("p", { class: "soft" }, "The loss, step by step; the beginning is stretched. Solid: of the conversations just learned from. Dots: of phrasings it was never shown, measured now and then."),
      h("p", { role: "status" }, frame.says),
      ...frame.replies.map(([input, output]) => row({ input, output })));
  };
  const slider = h("input", { type: "range", min: 0, max: found.frames.length - 1, step: 1, value: found.at, "data-key": "frames", "aria-label": "How far the training is",
    oninput: (event) => show(Number(event.target.value)) });
  show(found.at);
  return [h("label", { class: "soft" }, "Drag through its training, from noise to the end", slider), place];
}

function curve(found, frame) {
  const W = 640, H = 200, left = 34, low = 22;
  const last = Math.max(...found.curve.map(([step]) => step), 1), top = Math.max(found.guess * 1.05, 1);
  const x = (step) => left + ((W - left - 8) * Math.log1p(step)) / Math.log1p(last);
  const y = (loss) => 6 + (H - low - 6) * (1 - Math.min(loss, top) / top);
  const path = (points) => points.map(([step, loss], i) => `${i ? "L" : "M"}${x(step).toFixed(1)} ${y(loss).toFixed(1)}`).join("");
  const ticks = [0, 10, 100, 1000, 10000].filter((step) => step <= last);
  return svg("svg", { viewBox: `0 0 ${W} ${H}`, class: "curve", role: "img", "aria-label": `The loss over ${last} steps` },
    svg("path", { class: "guess", d: `M${left} ${y(found.guess)}H${W - 8}` }), svg("text", { x: W - 8, y: y(found.guess) + 14, "text-anchor": "end" }, `guessing: ${found.guess.toFixed(2)}`),
    ticks.map((step) => svg("text", { x: x(step), y: H - 6, "text-anchor": "middle" }, step.toLocaleString("en"))),
    [0, Math.floor(top / 2), Math.floor(top)].map((loss) => svg("text", { x: left - 8, y: y(loss) + 4, "text-anchor": "end" }, loss)),
    svg("path", { class: "held", d: path(found.held_out) }), found.held_out.map(([step, loss]) => svg("circle", { cx: x(step), cy: y(loss), r: 3 })), svg("path", { class: "loss", d: path(found.curve) }),
    svg("path", { class: "now", d: `M${x(frame.step)} 6V${H - low}` }),
  );
}
