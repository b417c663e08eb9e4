// Ask, and watch the answer being written; its markers lead to their sources.

import { events } from "./client.js";
import { $, h, toast } from "./dom.js";
import { hitCard } from "./hits.js";
import { t } from "./i18n.js";
import { here, state } from "./state.js";

const MARKER = /(\[\d+\])/;
let running = null;

export function startAsk() {
  $("ask-form").addEventListener("submit", (event) => {
    event.preventDefault();
    if (running) running.abort();
    else ask();
  });
}

export function resetAsk() {
  running?.abort();
  $("answer").hidden = true;
  $("sources-head").hidden = true;
  $("sources").replaceChildren();
  $("ask-status").textContent = "";
}

async function ask() {
  const question = $("question").value.trim();
  if (!question || !state.collection) return;
  resetAsk();
  running = new AbortController();
  const answer = { text: "", citations: [] };
  $("ask-button").textContent = t("stop");
  $("ask-status").textContent = t("writing");
  $("answer").replaceChildren();
  $("answer").hidden = false;
  $("answer").classList.add("writing");
  try {
    for await (const [name, data] of events("POST", here("/answers"), { json: { question, stream: true }, signal: running.signal })) {
      take(name, data, answer);
    }
  } catch (error) {
    if (error.name !== "AbortError") toast(error.message, "bad");
    $("ask-status").textContent = t("stopped");
  } finally {
    running = null;
    $("answer").classList.remove("writing");
    $("ask-button").textContent = t("ask");
  }
}

function take(name, data, answer) {
  if (name === "retrieval") {
    answer.hits = data.hits;
    $("sources-head").hidden = data.hits.length === 0;
    $("sources").replaceChildren(...data.hits.map((hit, position) => hitCard(hit, { number: position + 1, best: data.hits[0].score })));
  } else if (name === "delta") {
    answer.text += data.text;
    write(answer);
  } else if (name === "citation") {
    answer.citations.push(data);
  } else if (name === "done") {
    $("ask-status").textContent = t("answered", { mode: t(data.mode), ms: Math.round(data.timings_ms.total) });
    if (!data.found) {
      $("sources-head").hidden = true;
      $("sources").replaceChildren();
    }
  } else if (name === "error") {
    throw new Error(data.detail);
  }
}

function write(answer) {
  $("answer").replaceChildren(...answer.text.split(MARKER).map((part) => {
    if (!MARKER.test(part)) return part;
    const number = Number(part.slice(1, -1));
    return h("button", { className: "cite", ariaLabel: t("passage", { n: number }), onclick: () => show(number, answer) }, String(number));
  }));
}

function show(number, answer) {
  const card = $("sources").children[number - 1];
  for (const each of $("sources").children) each.classList.toggle("cited", each === card);
  const hit = answer.hits[number - 1];
  const spans = answer.citations.filter((each) => each.marker === number).map((each) => [each.start - hit.start, each.end - hit.start]);
  const fresh = hitCard({ ...hit, highlights: spans.sort((a, b) => a[0] - b[0]) }, { number, best: answer.hits[0].score });
  fresh.classList.add("cited");
  card.replaceWith(fresh);
  fresh.scrollIntoView({ behavior: "smooth", block: "center" });
  fresh.focus({ preventScroll: true });
}
