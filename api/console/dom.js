// Elements are made here and only from text: no string ever becomes markup.

import { t } from "./i18n.js";

export const $ = (id) => document.getElementById(id);

export function h(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children.filter((child) => child !== null));
  return element;
}

// `text` with the spans [[start, end], ...] marked. Spans count code points, as the server does; strings here do not.
export function marked(text, spans) {
  const points = Array.from(text);
  const slice = (start, end) => points.slice(start, end).join("");
  const parts = [];
  let at = 0;
  for (const [start, end] of spans) {
    parts.push(slice(at, start), h("mark", {}, slice(start, end)));
    at = end;
  }
  return [...parts, slice(at)];
}

export function toast(text, kind = "") {
  const element = h("div", { className: `toast ${kind}` }, text);
  $("toasts").append(element);
  setTimeout(() => element.remove(), 6000);
}

// Ask for a text, or only for consent where `input` is left out; null if the person thinks better of it.
export function prompt({ title, text, ok, input = null, destructive = false }) {
  const dialog = $("prompt");
  $("prompt-title").textContent = title;
  $("prompt-text").textContent = text;
  $("prompt-ok").textContent = ok;
  $("prompt-ok").classList.toggle("destructive", destructive);
  const field = $("prompt-input");
  field.hidden = input === null;
  field.type = input?.type ?? "text";
  field.value = input?.value ?? "";
  field.ariaLabel = title;
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "ok" ? field.value.trim() : null), { once: true });
  });
}

// The first button of a form is its default: Enter must confirm, not cancel.
$("prompt-input").addEventListener("keydown", (event) => {
  if (event.key === "Enter") {
    event.preventDefault();
    $("prompt").close("ok");
  }
});

export function when(date) {
  return h("time", { dateTime: date, title: new Date(date).toLocaleString() }, new Date(date).toLocaleString(document.documentElement.lang, { dateStyle: "short", timeStyle: "short" }));
}

// Have the browser save a file that only a request with the key's header can read.
export function save(blob, name) {
  const link = h("a", { href: URL.createObjectURL(blob), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
}

export function empty(name, values) {
  return h("li", { className: "empty" }, t(name, values));
}
