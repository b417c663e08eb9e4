// The list of collections: choose, create, delete.

import { call } from "./client.js";
import { $, h, prompt, toast } from "./dom.js";
import { t } from "./i18n.js";
import { choose, here, state } from "./state.js";

let asked = 0;

// Several lists may be on their way at once; only the one asked for last is shown.
export async function loadCollections() {
  const mine = ++asked;
  const { collections } = await call("GET", "/v1/collections");
  if (mine !== asked) return collections;
  const names = collections.map((each) => each.name);
  const severalModels = new Set(collections.flatMap((each) => [each.model, each.reembedding?.model ?? each.model])).size > 1;
  const focused = [...$("collections").children].indexOf(document.activeElement);
  $("collections").replaceChildren(
    ...collections.map((each) =>
      h("button", { ariaCurrent: String(each.name === state.collection), onclick: () => choose(each.name) },
        h("span", { title: each.model }, each.name),
        severalModels ? h("span", { className: "model" }, each.reembedding ? `${each.model} → ${each.reembedding.model} ${Math.round(each.reembedding.progress * 100)}%` : each.model) : null,
        h("span", { className: "count" }, String(Object.values(each.documents).reduce((a, b) => a + b, 0))))),
  );
  $("collections").children[focused]?.focus();
  if (!names.includes(state.collection)) {
    const remembered = localStorage.getItem("collection");
    choose(names.includes(remembered) ? remembered : names[0] ?? null);
  }
  return collections;
}

export function markChosen() {
  for (const button of $("collections").children) {
    button.ariaCurrent = String(button.firstChild.textContent === state.collection);
  }
}

export async function createCollection() {
  const given = await prompt({ title: t("newCollection"), text: t("nameHint"), ok: t("create"), input: {} });
  if (!given) return;
  const name = plainName(given);
  if (!name) throw new Error(t("noName"));
  await call("PUT", `/v1/collections/${encodeURIComponent(name)}`);
  choose(name);
  await loadCollections();
}

const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;

// "Sổ tay (2026)" as the name of a collection: so-tay-2026. A name that is valid stays as it is.
export function plainName(given) {
  if (NAME.test(given)) return given;
  const plain = given.normalize("NFD").replace(/\p{M}/gu, "").replace(/[đĐ]/g, "d").toLowerCase();
  return plain.replace(/[^a-z0-9._-]+/g, "-").replace(/^[^a-z0-9]+/, "").slice(0, 64).replace(/-+$/, "");
}

export async function deleteCollection() {
  const name = state.collection;
  const sure = await prompt({ title: t("deleteCollection"), text: t("sureCollection", { name }), ok: t("remove"), destructive: true });
  if (sure === null) return;
  await call("DELETE", here());
  toast(t("deleted"));
  await loadCollections();
}
