// The frame: who, the message, the reply as tokens, why the chosen token stands there, and the walk with its stations.
const root = () => element.querySelector(".look");
const state = { open: null, ask: null, view: null, focus: 0, station: 0, tokens: new Map(), memory: null, learned: null,
                head: null, query: null, problem: "", busy: false, turn: 0 };
const persona = () => state.open.personas.find((one) => one.name === (state.ask?.persona ?? state.open.chosen));
const token = () => state.tokens.get(state.focus);

async function asked(name, sent) {
  try {
    return await server[name](sent);
  } catch (error) {
    return { problem: "The page cannot reach its server. Is it still running? Load the page again." };
  }
}

// Look into a reply. `focus` is a position, or none for the reply's longest word.
async function look(ask, focus = null) {
  const turn = ++state.turn;
  Object.assign(state, { ask, busy: true, problem: "" });
  render();
  const view = await asked("look", ask);
  if (turn !== state.turn) return;
  state.busy = false;
  if (view.problem) {
    state.problem = view.problem;
    return render();
  }
  Object.assign(state, { view, tokens: new Map(), memory: null, head: null, query: null });
  if (state.learned?.persona !== ask.persona) state.learned = null;
  await choose(focus ?? longest(view));
}

function longest(view) {
  const length = (at) => view.tokens[at].text.trim().length;
  const said = view.tokens.map((_, at) => at).filter((at) => view.tokens[at].role === "reply");
  return said.reduce((best, at) => (length(at) > length(best) ? at : best), said[0] ?? view.tokens.length - 1);
}

async function choose(position) {
  Object.assign(state, { focus: position, query: position - 1 });
  render();
  if (token()) return;
  const turn = state.turn;
  const found = await asked("look_at_token", { ask: state.ask, position });
  if (turn !== state.turn) return;
  if (found.problem) state.problem = found.problem;
  else state.tokens.set(position, found);
  if (state.focus === position) render();
}

// What takes longer is fetched when its station is first seen.
async function fetchFor(key) {
  const turn = state.turn;
  if ((key === "wrote" || key === "memory") && !state.memory) {
    state.memory = { waiting: true };
    const found = await asked("remember", state.ask);
    if (turn !== state.turn) return;
    state.memory = found;
    if (["wrote", "memory"].includes(state.view.stations[state.station].key)) render();
    else root().querySelector(".why").replaceWith(why()); // nobody's sliders are taken away
  }
  if (key === "learned" && !state.learned) {
    const name = state.ask.persona;
    state.learned = { waiting: true };
    const found = await asked("learn", name);
    if (name !== state.ask.persona) return;
    state.learned = { ...found, persona: name, at: (found.frames?.length ?? 1) - 1 };
    if (state.view.stations[state.station].key === "learned") render();
  }
}

function go(station, { jump = false } = {}) {
  state.station = Math.max(0, Math.min(state.view.stations.length - 1, station));
  render();
  if (jump) root().querySelector(".station h3").focus();
  else if (!root().contains(document.activeElement)) root().querySelector("[data-key=back]").focus(); // Next is at its end
}

function render() {
  const held = document.activeElement?.closest?.(".look") ? document.activeElement.dataset.key : null;
  const who = persona();
  if (!who) {
    root().replaceChildren(h("p", { class: "problem" }, "No trained persona to look into. Train one first: README says how."));
    return;
  }
  root().replaceChildren(
    asking(who),
    ...(state.problem ? [h("p", { class: "problem", role: "alert" }, state.problem)] : []),
    ...(state.view && !state.problem
      ? [h("div", { class: "reply" }, strip(who), why()), h("div", { class: "walk" }, navigation(), h("div", { class: "stops", role: "group", "aria-label": "The stations" }, stops()), station())]
      : state.busy ? [h("p", { class: "soft", role: "status" }, "Looking …")] : []),
  );
  root().classList.toggle("busy", state.busy);
  const here = root().querySelector(".stops [aria-current]");
  if (here) here.parentElement.scrollLeft = here.offsetLeft - here.parentElement.offsetLeft - 40; // on a phone they stand in one row
  if (held) root().querySelector(`[data-key="${CSS.escape(held)}"]`)?.focus({ preventScroll: true });
  if (state.view && !state.problem) fetchFor(state.view.stations[state.station].key);
}

function asking(who) {
  const fresh = (message) => look({ persona: who.name, message, seed: 1 });
  const field = h("input", { type: "text", value: state.ask?.message ?? "", maxlength: 2000, "aria-label": `A message to ${who.title}`, "data-key": "message", lang: who.language });
  return h("form", { class: "asking", onsubmit: (event) => { event.preventDefault(); fresh(field.value); } },
    h("img", { src: who.avatar, alt: "", width: 44, height: 44 }),
    state.open.personas.length > 1
      ? h("select", { "aria-label": "Whom to look into", "data-key": "who", onchange: (event) => begin(event.target.value) },
          state.open.personas.map((one) => h("option", { value: one.name, selected: one.name === who.name }, one.title)))
      : h("b", {}, who.title),
    field,
    h("button", { class: "go", "data-key": "look" }, "Look"),
    h("button", { type: "button", "data-key": "again", title: "The same message, other dice", onclick: () => look({ ...state.ask, begin: [], n_tokens: 0, seed: 1 + (state.ask.seed % 999) }) }, "Other dice"),
  );
}

function strip(who) {
  const { tokens, first, note } = state.view;
  const from = state.view.topic ? first - 1 : first;
  const hue = (nats) => `--surprise:${Math.round(Math.min(1, nats / 4) * 60)}%`;
  return h("section", { class: "said" },
    h("p", { class: "asked", lang: who.language }, state.ask.message || "(silence)"),
    roving(h("div", { class: "tokens", role: "group", "aria-label": "The reply, token by token", lang: who.language },
      tokens.slice(from).map((one, i) => h("button", {
        type: "button", class: `token ${one.role}`, "aria-pressed": String(from + i === state.focus), "data-key": `t${from + i}`,
        style: one.role === "gist" ? null : hue(one.surprise),
        title: one.role === "gist" ? "what it took the message to be about" : `surprise ${number(one.surprise)}: the model gave it ${percent(Math.exp(-one.surprise))}`,
        onclick: () => choose(from + i) }, shown(one))))),
    h("p", { class: "soft" }, `Choose a token. The redder, the less likely it was. The dice began at seed ${state.view.seed}. ${note}`),
  );
}

function why() {
  const found = token();
  const name = shown(state.view.tokens[state.focus]);
  const mine = state.memory?.runs?.find((run) => run.start <= state.focus && state.focus < run.end);
  const sentences = [...(found?.why ?? [])];
  const line = mine?.replied.findLast((one) => one.text.toLowerCase().includes(name.toLowerCase()));
  if (mine) sentences.push(["memory", `${mine.end - mine.start} tokens around it stand like that in one training conversation${line ? `; this one comes from ${line.where}` : ""}.`]);
  return h("section", { class: "why", "aria-live": "polite" },
    h("h2", {}, "Why ", h("q", {}, name), "?"),
    found ? h("ul", {}, sentences.map(([key, text]) => h("li", {}, text, " ",
      h("button", { type: "button", class: "to", "data-key": `to-${key}-${text.length}`, onclick: () => go(state.view.stations.findIndex((one) => one.key === key), { jump: true }) }, "See it"))))
      : h("p", { class: "soft" }, "…"));
}

function navigation() {
  const last = state.view.stations.length - 1;
  return h("div", { class: "turns" },
    h("button", { type: "button", "data-key": "back", disabled: state.station === 0, onclick: () => go(state.station - 1) }, "← Back"),
    h("span", { class: "soft" }, `${state.station + 1} of ${last + 1}`),
    h("button", { type: "button", class: "go", "data-key": "next", disabled: state.station === last, onclick: () => go(state.station + 1) }, "Next →"));
}

const stops = () => state.view.stations.map((one, i) => h("button", {
  type: "button", "aria-current": i === state.station ? "step" : null, "data-key": `s${i}`, onclick: () => go(i) }, h("b", {}, i + 1), " ", one.title));

function station() {
  const here = state.view.stations[state.station];
  return h("article", { class: `station ${here.key}` },
    h("h3", { tabindex: "-1" }, here.title),
    h("p", { class: "lead" }, here.sentence),
    h("details", { class: "depth", open: state.more, ontoggle: (event) => (state.more = event.target.open) },
      h("summary", { "data-key": "more" }, "In more words"), h("p", {}, here.paragraph),
      h("p", { class: "code" }, "In the code: ", h("code", {}, here.code), " in ", h("code", {}, here.place))),
    h("div", { class: "drawing" }, STATIONS[here.key]()));
}

// A persona one was not talking to is looked at through its first starter.
function begin(name) {
  state.open.chosen = name;
  const who = state.open.personas.find((one) => one.name === name);
  look({ persona: name, message: who?.starters[0] ?? "", seed: 1 });
}

watch("value", () => requestAnimationFrame(() => {
  let open;
  try { open = JSON.parse(props.value); } catch { return; }
  state.open = open;
  if (!open.chosen) return render();
  const same = state.ask && JSON.stringify(open.ask) === JSON.stringify(state.fromChat);
  state.fromChat = open.ask;
  if (same && state.view) return render(); // back from another tab, nothing new was said there
  if (open.ask) look(open.ask);
  else begin(open.chosen);
}));
