// A passage as a card, and the reader that shows it among its neighbours.

import { call, fetchBlob, fetchText } from "./client.js";
import { $, h, marked, save, toast } from "./dom.js";
import { placeText, t } from "./i18n.js";
import { here } from "./state.js";

const LEAD = 260;

export function hitCard(hit, { number = null, best = 1 } = {}) {
  const share = best > 0 ? Math.max(0, Math.min(1, hit.score / best)) : 0;
  const bar = h("span", { className: "bar" }, h("i"));
  bar.firstChild.style.setProperty("--share", `${Math.round(share * 100)}%`);
  const card = h("li", { className: "hit", tabIndex: 0 },
    h("header", {},
      number === null ? null : h("span", { className: "number-badge" }, String(number)),
      h("h4", {}, hit.title || hit.document_id),
      h("span", { className: "path" }, hit.headings.filter((each) => each !== hit.title).join(" › ")),
      h("span", { className: "score", title: scores(hit) }, bar, hit.score.toFixed(3))),
    h("p", { className: "text" }, ...excerpt(hit)),
    h("footer", {}, ...[placeText(hit.place)].filter(Boolean).map((place) => h("span", { className: "chip place" }, place)), ...Object.entries(hit.metadata).slice(0, 6).map(([name, value]) => h("span", { className: "chip" }, `${name}: ${show(value)}`))));
  const open = () => read(hit).catch((error) => toast(error.message, "bad"));
  card.addEventListener("click", open);
  card.addEventListener("keydown", (event) => {
    if (event.key === "Enter") open();
    if (event.key === "ArrowDown") move(event, card.nextElementSibling);
    if (event.key === "ArrowUp") move(event, card.previousElementSibling ?? $("query"));
  });
  return card;
}

export async function readDocument(documentId, title, here_ = null) {
  const path = here(`/documents/${encodeURIComponent(documentId)}`);
  const [document_, { passages }] = await Promise.all([call("GET", path), call("GET", `${path}/passages`)]);
  const button = (name, action) => h("button", { className: "quiet", onclick: () => action().catch((error) => toast(error.message, "bad")) }, t(name));
  const body = h("div", {}, ...passages.map((each, position) => passage(each, passages[position - 1], here_)));
  const name = document_.filename ?? `${documentId}.txt`;
  $("reader-body").replaceChildren(
    h("h3", {}, title || documentId),
    h("small", {}, [document_.filename, `${t("passages")}: ${passages.length}`].filter(Boolean).join(" · ")),
    h("nav", {},
      button("original", async () => save(await fetchBlob(`${path}/original`), name)),
      button("wholeText", async () => body.replaceChildren(h("p", {}, await fetchText(`${path}/text`))))),
    body);
  $("reader").showModal();
  $("reader-body").querySelector(".here")?.scrollIntoView({ block: "center" });
}

// A passage of the reader, with its place where that is another one than that of the passage before.
function passage(each, before, here_) {
  const isHere = each.passage_id === here_?.passage_id;
  const place = placeText(each.place);
  return h("p", { className: isHere ? "here" : "" },
    place && place !== placeText(before?.place) ? h("small", { className: "place" }, place) : null,
    ...(isHere ? marked(each.text, here_.highlights) : [each.text]));
}

const read = (hit) => readDocument(hit.document_id, hit.title, hit);

// The passage from a little before its first mark on, without the heading that the card already shows.
function excerpt(hit) {
  const points = Array.from(hit.text);
  const begin = headingsEnd(hit);
  const first = hit.highlights.find(([start]) => start >= begin)?.[0] ?? 0;
  let from = begin;
  if (first - from > LEAD) from = points.lastIndexOf(" ", first - LEAD / 2) + 1;
  const spans = hit.highlights.filter(([start]) => start >= from).map(([start, end]) => [start - from, end - from]);
  const parts = marked(points.slice(from).join(""), spans);
  if (from > begin) parts.unshift("… ");
  return parts.map((part) => (typeof part === "string" ? part.replace(/\n{2,}/g, "\n") : part));
}

// Where the text begins behind the lines that the card has as title and path; 0 if there is nothing else.
function headingsEnd(hit) {
  const shown = new Set([hit.title, ...hit.headings]);
  let end = 0;
  for (const line of hit.text.split("\n")) {
    const plain = line.replace(/^#+ /, "").trim();
    if (plain !== "" && !shown.has(plain)) return end;
    end += Array.from(line).length + 1;
  }
  return 0;
}

function move(event, element) {
  event.preventDefault();
  element?.focus();
}

function scores(hit) {
  const parts = { cosine: hit.dense_score, BM25: hit.lexical_score, rerank: hit.rerank_score };
  return Object.entries(parts).filter(([, score]) => score !== null).map(([name, score]) => `${name} ${score.toFixed(3)}`).join(" · ");
}

const show = (value) => (typeof value === "object" ? JSON.stringify(value) : String(value));
