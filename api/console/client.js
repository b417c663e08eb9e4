// The REST API from the page: the key, problems as errors, event streams with the key's header.

import { prompt } from "./dom.js";
import { problemText, t } from "./i18n.js";

let key = sessionStorage.getItem("key") ?? "";
let asking = null;

export async function askForKey({ isRefused = false } = {}) {
  asking ??= prompt({ title: t("key"), text: isRefused ? `${t("keyRefused")} ${t("keyHint")}` : t("keyHint"), ok: t("save"), input: { type: "password", value: key } });
  const given = await asking;
  asking = null;
  if (given === null) return false;
  key = given;
  sessionStorage.setItem("key", key);
  return true;
}

export async function call(method, path, { json, form, signal } = {}) {
  const response = await send(method, path, { json, form, signal });
  return response.status === 204 ? null : response.json();
}

export const fetchBlob = async (path) => (await send("GET", path, {})).blob();

export const fetchText = async (path) => (await send("GET", path, {})).text();

// The server-sent events of a response, as [name, data] pairs.
export async function* events(method, path, { json, signal } = {}) {
  const response = await send(method, path, { json, signal });
  let rest = "";
  for await (const text of chunks(response.body.pipeThrough(new TextDecoderStream()))) {
    const blocks = (rest + text).split("\n\n");
    rest = blocks.pop();
    for (const block of blocks) {
      const name = /^event: (.*)$/m.exec(block)?.[1];
      const data = /^data: (.*)$/m.exec(block)?.[1];
      if (name && data) yield [name, JSON.parse(data)];
    }
  }
}

async function* chunks(stream) {
  const reader = stream.getReader();
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      yield value;
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

async function send(method, path, { json, form, signal }) {
  const headers = key ? { Authorization: `Bearer ${key}` } : {};
  if (json !== undefined) headers["Content-Type"] = "application/json";
  let response;
  try {
    response = await fetch(path, { method, headers, signal, body: form ?? (json === undefined ? undefined : JSON.stringify(json)) });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Error(t("offline"));
  }
  if (response.status === 401 && (await askForKey({ isRefused: key !== "" }))) return send(method, path, { json, form, signal });
  if (!response.ok) {
    const problem = await response.json().catch(() => ({}));
    const code = problem.code ?? problem.error?.code;
    const error = new Error(problemText({ code, detail: problem.detail ?? problem.error?.message ?? response.statusText }));
    throw Object.assign(error, { status: response.status, code });
  }
  return response;
}
