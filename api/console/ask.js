// Ask, and show the answer as it is written; its markers lead to their sources.

import { call, events } from "./client.js";
import { $, h, toast } from "./dom.js";
import { hitCard } from "./hits.js";
import { inLanguage, problemText, t } from "./i18n.js";
import { rich, withMarkers } from "./rich.js";
import { searchFor } from "./search.js";
import { here, state } from "./state.js";

const TURNS_KEPT = 6;
let running = null;
let conversation = [];

export function startAsk() {
  $("ask-form").addEventListener("submit", (event) => {
    event.preventDefault();
    if (running) running.abort();
    else ask();
  });
  $("new-conversation").addEventListener("click", () => {
    resetAsk();
    $("question").value = "";
    $("question").focus();
  });
}

export function resetAsk() {
  running?.abort();
  conversation = [];
  clear();
}

function clear() {
  $("answer").hidden = true;
  $("answer").classList.remove("failed", "rich");
  $("answer-notes").replaceChildren();
  $("sources-head").hidden = true;
  $("sources").replaceChildren();
  $("ask-status").textContent = "";
  $("new-conversation").hidden = conversation.length === 0;
}

async function ask() {
  const question = $("question").value.trim();
  if (!question) return;
  if (!state.collection) {
    toast(t("noCollections"), "bad");
    return;
  }
  clear();
  running = new AbortController();
  const answer = { question, text: "", citations: [], hits: [], mode: "extractive" };
  $("ask-button").textContent = t("stop");
  $("ask-status").textContent = t("writing");
  $("answer").replaceChildren();
  $("answer").hidden = false;
  $("answer").classList.add("writing");
  const json = { question, stream: true, messages: conversation };
  try {
    for await (const [name, data] of events("POST", here("/answers"), { json, signal: running.signal })) {
      take(name, data, answer);
    }
    conversation = [...conversation, { role: "user", content: question }, { role: "assistant", content: answer.text }].slice(-TURNS_KEPT);
    $("new-conversation").hidden = false;
  } catch (error) {
    fail(error, answer);
  } finally {
    running = null;
    $("answer").classList.remove("writing");
    $("ask-button").textContent = t("ask");
  }
}

// Keep an interrupted answer and mark it; a blank card would be confusing.
function fail(error, answer) {
  $("ask-status").textContent = t(error.name === "AbortError" ? "stopped" : "failedAnswer");
  if (error.name === "AbortError") {
    $("answer").hidden = answer.text === "";
    return;
  }
  $("answer").classList.add("failed");
  $("answer-notes").replaceChildren(h("li", { className: "bad" }, error.message));
  if (answer.text === "") $("answer").textContent = t("failedAnswer");
  toast(error.message, "bad");
}

function take(name, data, answer) {
  if (name === "retrieval") {
    answer.hits = data.hits;
    answer.mode = data.mode;
    answer.queryUsed = data.query_used;
    $("sources-head").hidden = data.hits.length === 0;
    $("sources").replaceChildren(...data.hits.map((hit, position) => hitCard(hit, { number: position + 1, best: data.hits[0].score })));
  } else if (name === "delta") {
    answer.text += data.text;
    write(answer);
  } else if (name === "restart") {
    Object.assign(answer, { text: "", citations: [], mode: data.code === "reasoning" ? answer.mode : "extractive" });
    write(answer);
  } else if (name === "citation") {
    answer.citations.push(data);
  } else if (name === "done") {
    finish(data, answer);
  } else if (name === "error") {
    throw new Error(problemText(data));
  }
}

function finish(data, answer) {
  $("ask-status").textContent = t("answered", { mode: t(data.found ? data.mode : "unanswered"), ms: Math.round(data.timings_ms.total) });
  const notes = data.notes.map((note) => h("li", { className: note.code, title: note.message }, inLanguage(`note_${note.code}`) ?? note.message, part(note)));
  if (data.confidence !== null && data.found) notes.unshift(h("li", {}, t("confidence", { percent: Math.round(data.confidence * 100) })));
  if (answer.queryUsed && answer.queryUsed !== answer.question) notes.unshift(h("li", {}, t("queryUsed", { query: answer.queryUsed })));
  if (data.id) notes.push(feedback(data.id));
  $("answer-notes").replaceChildren(...notes);
  if (!data.found) {
    const { question } = answer;
    $("answer-notes").prepend(h("li", {}, h("button", { className: "quiet search", onclick: () => searchFor(question) }, t("searchInstead", { query: question }))));
    $("sources-head").hidden = true;
    $("sources").replaceChildren();
  }
}

// What follows the colon of a note on a part of the question is that part, in the person's own words.
const part = (note) => (note.code === "partial" ? ` “${note.message.split(": ").slice(1).join(": ")}”` : null);

function feedback(id) {
  const row = h("li", { className: "feedback" });
  const send = async (vote) => {
    try {
      await call("POST", here(`/answers/${encodeURIComponent(id)}/feedback`), { json: { vote } });
      row.replaceChildren(t("thanks"));
    } catch (error) {
      toast(error.message, "bad");
    }
  };
  row.append(
    h("button", { className: "quiet", ariaLabel: t("helpful"), title: t("helpful"), onclick: () => send("up") }, "👍"),
    h("button", { className: "quiet", ariaLabel: t("unhelpful"), title: t("unhelpful"), onclick: () => send("down") }, "👎"),
  );
  return row;
}

// What an LLM writes is Markdown; what is quoted is shown as it is in the document.
function write(answer) {
  const generated = answer.mode === "generated";
  const marker = (number) => h("button", { className: "cite", ariaLabel: t("passage", { n: number }), onclick: () => show(number, answer) }, String(number));
  $("answer").classList.toggle("rich", generated);
  $("answer").replaceChildren(...(generated ? rich(answer.text, marker) : withMarkers(answer.text, marker)));
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
