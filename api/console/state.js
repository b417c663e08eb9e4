// What the page is about: the chosen collection, and who wants to know when it changes.

const listeners = [];

export const state = { collection: null };

export function onCollection(listener) {
  listeners.push(listener);
}

export function choose(name) {
  state.collection = name;
  if (name === null) localStorage.removeItem("collection");
  else localStorage.setItem("collection", name);
  for (const listener of listeners) listener(name);
}

export const here = (path = "") => `/v1/collections/${encodeURIComponent(state.collection)}${path}`;
