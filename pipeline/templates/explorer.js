// The alignment explorer and the theme. Words come from corpora and models: they are set as text, never as markup.
"use strict";
(() => {
  const corpora = JSON.parse(document.getElementById("explorer-data").textContent);
  const at = (id) => document.getElementById(id);
  const chosen = { corpus: 0, sentence: 0, kind: "cross", layer: "", head: "", row: 0 };
  const VECTOR = "one vector";
  const FIRST_SHOWN = 9; // words: enough to see an order, few enough to see it at once

  function make(tag, parent, properties = {}) {
    const element = Object.assign(document.createElement(tag), properties);
    parent.append(element);
    return element;
  }

  const sentencesOf = (model) => model.sentences[chosen.sentence];
  const shorter = (text) => (text.length > 80 ? text.slice(0, 78) + " …" : text);
  const heads = (maps) => maps.flatMap((map) => map.heads);

  const middle = (element) => element.getBoundingClientRect().top + element.offsetHeight / 2;

  /** The mean of equally large maps: (maps, queries, keys) → (queries, keys). */
  function mean(maps) {
    return maps[0].map((row, q) => row.map((_, k) => maps.reduce((sum, map) => sum + map[q][k], 0) / maps.length));
  }

  /** The weights to show of a model, or null where it has no such map. A layer or head it lacks means all of them. */
  function weightsOf(model) {
    const maps = sentencesOf(model)[chosen.kind];
    if (!maps.length) return null;
    const layers = maps.filter((map) => map.name === chosen.layer);
    const picked = (layers.length ? layers : maps).map((map) => ({
      heads: map.heads[chosen.head] ? [map.heads[chosen.head]] : map.heads,
    }));
    return mean(heads(picked));
  }

  /** The languages of the words that are read, and of those on the rows. */
  function spokenIn() {
    const [read, written] = corpora[chosen.corpus].languages;
    return { read, row: chosen.kind === "encoder" ? read : written, written };
  }

  const rowsOf = (sentence) => (chosen.kind === "encoder" ? sentence.src : sentence.tgt);

  function drawPanel(model, { links, tgt: reference }) {
    const sentence = sentencesOf(model);
    const lang = spokenIn();
    const weights = weightsOf(model);
    const panel = make("section", at("panels"), { className: "panel" });
    const rgb = model.colour.match(/[0-9a-f]{2}/gi).map((part) => parseInt(part, 16));
    panel.style.setProperty("--rgb", rgb.join(" "));
    make("h4", panel, { textContent: model.label });
    if (!weights) {
      const text = "This model has no self-attention: each state of its encoder is made without attention.";
      make("p", panel, { className: "none", textContent: text });
      return { panel, weights };
    }
    // A gradient reaches every word, so that no share is large: saliency is dark where the map has most.
    const full = chosen.kind === "saliency" ? Math.max(...weights.flat()) || 1 : 100;
    const isVector = weights[0].length === 1 && sentence.src.length > 1;
    const keys = isVector ? [VECTOR] : sentence.src;
    const table = make("table", make("div", panel, { className: "map" }), { className: isVector ? "one" : "" });
    table.setAttribute("aria-label", `${model.label}: rows are ${chosen.kind === "encoder" ? "reading" : "written"} words, columns are read words`);
    const top = make("tr", make("thead", table));
    make("td", top).style.cssText = "border: 0; background: none";
    keys.forEach((word) => {
      const column = make("th", top, { scope: "col", className: isVector ? "vector" : "", title: word, lang: isVector ? "" : lang.read });
      make("span", column, { textContent: word });
    });
    const body = make("tbody", table);
    const goldOf = new Map(links.map(([src, tgt, sure]) => [`${src} ${tgt}`, sure ? "gold" : "possible"]));
    rowsOf(sentence).forEach((word, q) => {
      const row = make("tr", body);
      row.dataset.row = q;
      make("th", row, { scope: "row", textContent: word, title: word, lang: lang.row });
      keys.forEach((key, k) => {
        const cell = make("td", row, { title: `${word} ← ${key}: ${(weights[q][k] / 100).toFixed(2)}` });
        cell.style.setProperty("--a", (weights[q][k] / full).toFixed(3));
        if (!isVector && chosen.kind !== "encoder" && goldOf.has(`${k} ${q}`)) cell.className = goldOf.get(`${k} ${q}`);
      });
    });
    make("p", panel, { className: "reads" });
    const text = make("p", panel, { className: "text", ...(isVector ? {} : { lang: lang.read, dir: "auto" }) });
    if (!isVector) sentence.src.forEach((word) => { make("span", text, { textContent: word }); text.append(" "); });
    if (isVector) text.textContent = "The decoder reads one vector for the whole sentence at every word: there is no choice to see.";
    const isRight = sentence.translation === reference ? " (exactly the reference)" : "";
    const own = make("p", panel, { className: "small", textContent: `its own translation${isRight}: ` });
    make("bdi", own, { textContent: sentence.translation, lang: lang.written });
    return { panel, weights, keys, full, isVector };
  }

  let panels = [];

  /** Gives all maps headings of one height, so that rows of one word are level. */
  function alignTops() {
    const tops = [...at("panels").querySelectorAll("thead tr")];
    const height = Math.max(0, ...tops.map((top) => top.offsetHeight));
    tops.forEach((top) => { top.style.height = `${height}px`; });
  }

  /** Lights a row up in every map, with the words it reads; the list of words follows where it was not pointed at. */
  function light(row, follow = true) {
    chosen.row = row;
    const words = at("target");
    [...words.querySelectorAll("button")].forEach((button, place) => {
      button.setAttribute("aria-pressed", place === row);
      button.tabIndex = place === row ? 0 : -1;
      // Not scrollIntoView, which would move the page as well.
      if (place === row && follow) words.scrollTop += middle(button) - middle(words);
    });
    panels.forEach(({ panel, weights, keys, full, isVector }) => {
      if (!weights || !weights[row]) return;
      panel.querySelectorAll("tbody tr").forEach((tr, place) => tr.classList.toggle("lit", place === row));
      [panel.querySelectorAll("thead span"), isVector ? [] : panel.querySelectorAll(".text span")].forEach((spans) =>
        spans.forEach((span, k) => span.style.setProperty("--a", (0.6 * weights[row][k]) / full)),
      );
      const ranked = keys.map((key, k) => [weights[row][k], key]).sort((a, b) => b[0] - a[0]);
      const read = ranked.slice(0, 3).filter(([weight], place) => place === 0 || weight >= 5);
      const word = panel.querySelectorAll("tbody th")[row].textContent;
      panel.querySelector(".reads").textContent =
        `${word} ← ` + read.map(([weight, key]) => `${key} ${(weight / 100).toFixed(2)}`).join(" · ");
    });
    const spoken = (panel) => `${panel.querySelector("h4").textContent}: ${panel.querySelector(".reads, .none").textContent}`;
    at("spoken").textContent = panels.map(({ panel }) => spoken(panel).replace("←", "from")).join(". ");
  }

  /** Draws the maps of the chosen sentence anew. */
  function draw() {
    const { sentences, models } = corpora[chosen.corpus];
    const pair = sentences[chosen.sentence];
    at("panels").replaceChildren();
    const { src, tgt: written } = sentencesOf(models[0]);
    const longest = Math.max(src.length, written.length);
    at("panels").className = `panels ${longest > 34 ? "densest" : longest > 16 ? "dense" : ""}`;
    panels = models.map((model) => drawPanel(model, pair));
    alignTops();
    at("target").replaceChildren();
    make("span", at("target"), { className: "small", textContent: chosen.kind === "encoder" ? "reading word" : "written word" });
    const words = rowsOf(sentencesOf(models[0]));
    words.forEach((word, row) => make("button", at("target"), { type: "button", textContent: word, value: row, lang: spokenIn().row }));
    at("gold").hidden = !pair.links.length || chosen.kind === "encoder";
    Object.assign(at("reference"), { textContent: pair.tgt, lang: spokenIn().written });
    light(Math.min(chosen.row, words.length - 1));
  }

  function fill(select, options, value) {
    select.replaceChildren();
    options.forEach(([name, text]) => make("option", select, { value: name, textContent: text }));
    select.value = options.some(([name]) => name === value) ? value : options[0][0];
    select.disabled = options.length < 2;
    return select.value;
  }

  /** What is left of a corpus whose test sentences are all too long to be drawn. */
  function offerNothing() {
    ["sentence", "layer", "head", "previous", "next"].forEach((name) => { at(name).disabled = true; });
    ["sentence", "panels", "target", "reference"].forEach((name) => at(name).replaceChildren());
    at("gold").hidden = true;
    panels = [];
    make("p", at("panels"), { className: "none", textContent: "No test sentence of this corpus is short enough to be drawn." });
  }

  /** What can be chosen, of the corpus and of the kind of map. */
  function offer() {
    const { sentences, models } = corpora[chosen.corpus];
    if (!sentences.length) {
      offerNothing();
      return;
    }
    const lengths = sentences.map(({ src, length }, n) => [String(n), `${length} ${length === 1 ? "word" : "words"}: ${shorter(src)}`]);
    chosen.sentence = Number(fill(at("sentence"), lengths, String(chosen.sentence)));
    const isChoice = (maps) => maps.length > 1 || maps.some((map) => map.heads.length > 1);
    const maps = models.map((model) => sentencesOf(model)[chosen.kind]).filter(isChoice).flat();
    const layers = [...new Set(maps.map((map) => map.name))].map((name) => [name, name.replace(/^.*, /, "")]);
    chosen.layer = fill(at("layer"), [["", "mean of all"], ...layers], chosen.layer);
    const count = Math.max(0, ...maps.map((map) => map.heads.length));
    const named = Array.from({ length: count > 1 ? count : 0 }, (_, n) => [String(n), `head ${n + 1}`]);
    chosen.head = fill(at("head"), [["", "mean of all"], ...named], chosen.head);
    at("previous").disabled = chosen.sentence === 0;
    at("next").disabled = chosen.sentence === sentences.length - 1;
    draw();
  }

  function choose(change) {
    Object.assign(chosen, change);
    offer();
  }

  const beginning = (corpus) => Math.max(0, corpora[corpus].sentences.findIndex(({ length }) => length >= FIRST_SHOWN));
  chosen.sentence = beginning(0);
  fill(at("corpus"), corpora.map(({ name }, n) => [String(n), name]), "0");
  at("corpus").addEventListener("change", (event) => {
    const corpus = Number(event.target.value);
    choose({ corpus, sentence: beginning(corpus), row: 0 });
  });
  at("sentence").addEventListener("change", (event) => choose({ sentence: Number(event.target.value), row: 0 }));
  at("previous").addEventListener("click", () => choose({ sentence: chosen.sentence - 1, row: 0 }));
  at("next").addEventListener("click", () => choose({ sentence: chosen.sentence + 1, row: 0 }));
  ["kind", "layer", "head"].forEach((name) => at(name).addEventListener("change", (event) => choose({ [name]: event.target.value })));

  const rowUnder = (event) => event.target.closest("[data-row]")?.dataset.row ?? event.target.closest("#target button")?.value;
  ["pointerover", "click", "focusin"].forEach((kind) =>
    at("explorer").addEventListener(kind, (event) => {
      if (kind === "pointerover" && event.pointerType === "touch") return; // a finger that scrolls; its tap is a click
      const row = rowUnder(event);
      if (row !== undefined && Number(row) !== chosen.row) light(Number(row), !event.target.closest("#target"));
      const cell = kind === "click" && event.target.closest(".panel td[title]"); // for fingers, which see no title
      if (cell) cell.closest(".panel").querySelector(".reads").textContent = cell.title;
    }),
  );
  at("target").addEventListener("keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey) return; // the browser's own
    const last = at("target").querySelectorAll("button").length - 1;
    const { row } = chosen;
    const to = { ArrowRight: row + 1, ArrowDown: row + 1, ArrowLeft: row - 1, ArrowUp: row - 1, Home: 0, End: last }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    light(Math.max(0, Math.min(last, to)));
    at("target").querySelectorAll("button")[chosen.row].focus();
  });

  at("theme").addEventListener("click", () => {
    const isDark = getComputedStyle(document.documentElement).colorScheme.trim() === "dark"
      || (!document.documentElement.style.colorScheme && matchMedia("(prefers-color-scheme: dark)").matches);
    document.documentElement.style.colorScheme = isDark ? "light" : "dark";
  });
  let opened = [];
  const open = (all, isOpen) => all.forEach((details) => { details.open = isOpen; });
  window.addEventListener("beforeprint", () => { opened = [...document.querySelectorAll("details:not([open])")]; open(opened, true); });
  window.addEventListener("afterprint", () => open(opened, false));
  offer();
})();
