// Search as you type.

import { call } from "./client.js";
import { $, empty, h, toast } from "./dom.js";
import { hitCard } from "./hits.js";
import { inLanguage, t } from "./i18n.js";
import { here, state } from "./state.js";

const PAUSE_MS = 160;
const PAGE = 10;
const TITLE = /^(tiêu đề|tieu de|title)$/i;
const filters = [];
let timer = 0;
let running = null;
let next = null;

export function startSearch() {
  $("query").addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(search, PAUSE_MS);
  });
  $("query").addEventListener("keydown", (event) => {
    if (event.key === "ArrowDown") {
      event.preventDefault();
      $("hits").querySelector(".hit")?.focus();
    }
  });
  $("search-form").addEventListener("submit", (event) => {
    event.preventDefault();
    search();
  });
  $("modes").addEventListener("change", () => search());
  $("grouped").addEventListener("change", () => search());
  $("more-hits").addEventListener("click", () => search(next));
  $("filter-form").addEventListener("submit", addFilter);
}

export async function search(offset = 0) {
  running?.abort();
  clearTimeout(timer);
  const query = $("query").value;
  if (!state.collection || !query.trim()) return reset();
  running = new AbortController();
  const body = { query, mode: mode(), top_k: PAGE, offset, filter: filter() };
  if ($("grouped").checked) body.per_document = 1;
  try {
    const begun = performance.now();
    const answer = await call("POST", here("/search"), { json: body, signal: running.signal });
    show(answer, offset, performance.now() - begun);
  } catch (error) {
    if (error.name !== "AbortError") toast(error.message, "bad");
  }
}

export function reset() {
  $("search-status").textContent = "";
  $("more-hits").hidden = true;
  $("hits").replaceChildren(state.collection ? empty("startSearch", { name: state.collection }) : empty("noCollections"));
}

function show(answer, offset, ms) {
  if (offset === 0) $("hits").replaceChildren();
  suggestFields(answer.hits);
  const best = Math.max(...answer.hits.map((hit) => hit.score), offset ? 1 : 0);
  $("hits").append(...answer.hits.map((hit) => hitCard(hit, { best: mode() === "hybrid" ? 1 : best })));
  next = answer.next_offset;
  $("more-hits").hidden = next === null;
  const shown = $("hits").querySelectorAll(".hit").length;
  if (!shown) $("hits").append(empty("nothing"));
  const used = answer.query_used ? t("queryUsed", { query: answer.query_used }) : null;
  $("search-status").textContent = [t("found", { n: shown, ms: Math.round(ms) }), used, ...answer.warnings.map(warning)].filter(Boolean).join(" · ");
}

function suggestFields(hits) {
  const names = [t("fieldTitle"), ...new Set(hits.flatMap((hit) => Object.keys(hit.metadata)))];
  $("filter-fields").replaceChildren(...names.map((name) => h("option", { value: name })));
}

// The one warning there is names a field of a filter.
function warning(message) {
  const field = /the field '(.*)' that the filter/.exec(message)?.[1];
  return field && inLanguage("unknownField") ? t("unknownField", { field }) : message;
}

// Search for what was asked, as if it had been typed.
export function searchFor(query) {
  $("query").value = query;
  $("tab-search").click();
  search();
}

const mode = () => $("modes").querySelector(":checked").value;

function addFilter(event) {
  event.preventDefault();
  const field = $("filter-field").value.trim();
  const value = $("filter-value").value.trim();
  if (!field || !value) return;
  const operator = $("filter-operator");
  filters.push({ field, operator: operator.value, sign: operator.selectedOptions[0].textContent, value });
  event.target.reset();
  showFilters();
  search();
}

function showFilters() {
  $("filters").replaceChildren(...filters.map((each, position) =>
    h("button", { className: "chip", onclick: () => { filters.splice(position, 1); showFilters(); search(); } },
      `${each.field} ${each.sign} ${each.value} ×`)));
}

function filter() {
  if (!filters.length) return null;
  return { $all: filters.map(condition) };
}

// Titles are compared by words, without case and diacritics; other fields are metadata.
function condition({ field, operator, value }) {
  if (!TITLE.test(field)) return { [field]: { [operator]: typed(value) } };
  const title = { $title: value };
  return operator === "not" ? { $not: title } : title;
}

// "2024" is a number, "true" a boolean; quotes make it a text after all. A date in a range stays a text.
function typed(value) {
  if (/^".*"$/.test(value)) return value.slice(1, -1);
  if (value === "true" || value === "false") return value === "true";
  return /^-?\d+(\.\d+)?$/.test(value) ? Number(value) : value;
}
