// An LLM's Markdown as elements: paragraphs, headings, lists, tables, code, bold and italics. Links and images stay text,
// so nothing is loaded or opened that a document asked for.

import { h } from "./dom.js";

const MARKER = /(\[\d{1,3}\])/;
const INLINE = /(\*\*[^*\n]+\*\*|__[^_\n]+__|`[^`\n]+`|\*[^*\s][^*\n]*\*|\[\d{1,3}\])/;
const ITEM = /^\s*(?:[-*+•]|(\d{1,3})[.)])\s+(.*)$/;
const HEADING = /^\s*(#{1,6})\s+(.*)$/;

// `text` with its markers as what `marker(number)` makes, and nothing else changed.
export function withMarkers(text, marker) {
  return text.split(MARKER).map((part) => (MARKER.test(part) ? marker(Number(part.slice(1, -1))) : part));
}

export function rich(text, marker) {
  const blocks = [];
  const lines = text.split("\n");
  for (let at = 0; at < lines.length;) {
    const line = lines[at];
    const taken = code(lines, at) ?? table(lines, at, marker) ?? list(lines, at, marker);
    if (taken) {
      blocks.push(taken.block);
      at = taken.end;
    } else if (HEADING.test(line)) {
      blocks.push(h("p", { className: "heading" }, ...inline(HEADING.exec(line)[2], marker)));
      at += 1;
    } else if (line.trim() === "") {
      at += 1;
    } else {
      const first = at;
      while (at < lines.length && (at === first || isText(lines[at]))) at += 1;
      blocks.push(h("p", {}, ...inline(lines.slice(first, at).join("\n"), marker)));
    }
  }
  return blocks;
}

const isText = (line) => line.trim() !== "" && !ITEM.test(line) && !HEADING.test(line) && !line.startsWith("```");

function code(lines, at) {
  if (!lines[at].trimStart().startsWith("```")) return null;
  let end = at + 1;
  while (end < lines.length && !lines[end].trimStart().startsWith("```")) end += 1;
  return { block: h("pre", {}, lines.slice(at + 1, end).join("\n")), end: end + 1 };
}

function list(lines, at, marker) {
  const ordered = ITEM.exec(lines[at])?.[1] !== undefined;
  const items = [];
  let end = at;
  for (let item; end < lines.length && (item = ITEM.exec(lines[end])) && (item[1] !== undefined) === ordered; end += 1) items.push(item);
  if (items.length === 0) return null;
  const children = items.map((item) => h("li", ordered ? { value: Number(item[1]) } : {}, ...inline(item[2], marker)));
  return { block: h(ordered ? "ol" : "ul", {}, ...children), end };
}

function table(lines, at, marker) {
  let end = at;
  while (end < lines.length && /^\s*\|.*\|\s*$/.test(lines[end])) end += 1;
  if (end - at < 2) return null;
  const rows = lines.slice(at, end).filter((line) => !/^[\s|:-]+$/.test(line)).map((line) => line.trim().slice(1, -1).split("|"));
  const cells = (row, tag) => row.map((cell) => h(tag, {}, ...inline(cell.trim(), marker)));
  return { block: h("table", {}, ...rows.map((row, position) => h("tr", {}, ...cells(row, position === 0 ? "th" : "td")))), end };
}

function inline(text, marker) {
  return text.split(INLINE).filter((part) => part !== "").map((part) => {
    if (MARKER.test(part) && part.length <= 5) return marker(Number(part.slice(1, -1)));
    if (/^(\*\*|__).+\1$/.test(part)) return h("strong", {}, ...inline(part.slice(2, -2), marker));
    if (/^`.+`$/.test(part)) return h("code", {}, part.slice(1, -1));
    if (/^\*.+\*$/.test(part)) return h("em", {}, ...inline(part.slice(1, -1), marker));
    return part;
  });
}
