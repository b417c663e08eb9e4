// Documents: drop files, watch them become searchable, delete them.

import { call, events } from "./client.js";
import { chosenFiles, droppedFiles, send } from "./upload.js";
import { $, h, prompt, toast, when } from "./dom.js";
import { loadCollections } from "./collections.js";
import { readDocument } from "./hits.js";
import { inLanguage, placeText, t } from "./i18n.js";
import { here, state } from "./state.js";

const STATES = ["queued", "processing", "ready", "failed"];
const AGAIN_MS = 3000;
const COUNT_MS = 1500;
let cursor = null;
let watching = null;
let counting = null;
let asked = 0;

export function startDocuments() {
  const drop = $("drop");
  $("files").addEventListener("change", (event) => upload(chosenFiles(event.target.files)));
  drop.addEventListener("keydown", (event) => {
    if (event.key === "Enter" || event.key === " ") {
      event.preventDefault();
      $("files").click();
    }
  });
  for (const name of ["dragenter", "dragover"]) drop.addEventListener(name, (event) => over(event, true));
  for (const name of ["dragleave", "drop"]) drop.addEventListener(name, (event) => over(event, false));
  drop.addEventListener("drop", async (event) => upload(await droppedFiles(event.dataTransfer)));
  $("state-filter").addEventListener("change", () => loadDocuments());
  $("more-documents").addEventListener("click", () => loadDocuments(cursor));
}

export function nameStates() {
  const chosen = $("state-filter").value;
  $("state-filter").replaceChildren(h("option", { value: "" }, t("allStates")), ...STATES.map((each) => h("option", { value: each }, t(each))));
  $("state-filter").value = chosen;
}

export async function loadDocuments(from = null) {
  if (!state.collection) {
    asked += 1;
    return $("documents").replaceChildren();
  }
  const parameters = new URLSearchParams({ limit: "50" });
  if ($("state-filter").value) parameters.set("state", $("state-filter").value);
  if (from) parameters.set("cursor", from);
  const mine = ++asked;
  const page = await call("GET", here(`/documents?${parameters}`));
  if (mine !== asked) return;
  if (!from) $("documents").replaceChildren();
  $("documents").append(...page.documents.map(row));
  if (!$("documents").children.length) $("documents").append(h("tr", {}, h("td", { className: "empty", colSpan: 5 }, t("noDocuments"))));
  cursor = page.cursor;
  $("more-documents").hidden = cursor === null;
  if (!from) countSoon();
}

// Follow the collection's events for as long as it is chosen; a broken stream is taken up again.
export async function watch(name) {
  watching?.abort();
  if (name === null) return;
  const mine = (watching = new AbortController());
  while (!mine.signal.aborted) {
    try {
      for await (const [kind, data] of events("GET", here("/events"), { signal: mine.signal })) {
        if (kind === "document") update(data);
        if (kind === "document") countSoon();
        if (kind === "end") return;
      }
    } catch {
      // Retried below. The health dot shows an unavailable server.
    }
    await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
  }
}

function update(document_) {
  const old = $("documents").querySelector(`tr[data-id="${CSS.escape(document_.id)}"]`);
  if (document_.state === "deleting") old?.remove();
  else if (old) old.replaceWith(row(document_));
  else if (!$("state-filter").value) {
    $("documents").querySelector(".empty")?.closest("tr").remove();
    $("documents").prepend(row(document_));
  }
}

function row(each) {
  const busy = each.state === "queued" || each.state === "processing";
  const element = h("tr", {},
    h("td", {}, h("button", { className: "title", onclick: () => readDocument(each.id, each.title).catch(complain) }, each.title || each.id),
      h("small", { title: each.id }, label(each)),
      each.error ? failure(each.error) : null,
      each.access.length ? h("small", { className: "access" }, t("seenBy", { groups: each.access.join(", ") })) : null,
      ...each.warnings.map(warning)),
    h("td", {}, h("span", { className: `state ${each.state}` }, t(each.state)), busy ? h("progress", { max: 1, value: each.progress }) : null),
    h("td", { className: "number" }, String(each.passages)),
    h("td", {}, when(each.updated_at)),
    h("td", {},
      each.state === "failed" ? h("button", { className: "quiet", onclick: () => again(each) }, t("retry")) : null,
      h("button", { className: "quiet", ariaLabel: `${t("access")} ${each.title || each.id}`, onclick: () => share(each) }, t("access")),
      h("button", { className: "quiet danger", ariaLabel: `${t("remove")} ${each.title || each.id}`, onclick: () => remove(each) }, t("remove"))));
  element.dataset.id = each.id;
  return element;
}

// What people know a document by: its file. An id that the server made means nothing to them.
function label(each) {
  const name = each.filename && !each.id.endsWith(each.filename) && /^[0-9a-f]{32}$/.test(each.id) ? each.filename : each.id;
  return [name === each.title ? null : name, size(each.size_bytes)].filter(Boolean).join(" · ");
}

function size(bytes) {
  const unit = [["GB", 2 ** 30], ["MB", 2 ** 20], ["KB", 2 ** 10]].find(([, factor]) => bytes >= factor) ?? ["B", 1];
  return `${(bytes / unit[1]).toLocaleString(document.documentElement.lang, { maximumFractionDigits: 1 })} ${unit[0]}`;
}

// By its code, so that it is in the page's language; the sentence has the details.
function warning(each) {
  const name = inLanguage(`warning_${each.code}`) ?? each.message;
  const text = [name, placeText(each.place)].filter(Boolean).join(" · ");
  return h("small", { className: "warning", title: each.message }, text);
}

// A failure has a sentence of its own only in English; the reason in the page's language comes first.
function failure(error) {
  const name = inLanguage(`error_${error.code}`);
  return h("small", { className: "error", title: error.message }, [name, error.message].filter(Boolean).join(" · "));
}

async function upload(files) {
  $("files").value = "";
  if (!files.length || !state.collection) return;
  try {
    await send(files, (done) => { $("counts").textContent = t("sending", { done, all: files.length }); });
    await loadDocuments();
  } catch (error) {
    complain(error);
  }
  await count().catch(complain);
}

// The numbers by state, here and in the list of collections; while many documents change, every `COUNT_MS` at most.
async function count() {
  counting = null;
  if (!state.collection) return;
  const collections = await loadCollections();
  const documents = collections.find((each) => each.name === state.collection)?.documents ?? {};
  const sum = (...names) => names.reduce((total, name) => total + (documents[name] ?? 0), 0);
  $("counts").textContent = t("counts", { ready: sum("ready"), waiting: sum("queued", "processing"), failed: sum("failed") });
}

function countSoon() {
  counting ??= setTimeout(() => count().catch(() => {}), COUNT_MS);
}

async function remove(each) {
  const sure = await prompt({ title: t("remove"), text: t("sureDocument", { name: each.title || each.id }), ok: t("remove"), destructive: true });
  if (sure === null) return;
  try {
    await call("DELETE", here(`/documents/${encodeURIComponent(each.id)}`));
    toast(t("deleted"));
    await Promise.all([loadDocuments(), count()]);
  } catch (error) {
    complain(error);
  }
}

// Groups have no commas, so a list of them needs no quotes.
async function share(each) {
  const given = await prompt({ title: t("access"), text: t("accessHint"), ok: t("save"), input: { value: each.access.join(", ") } });
  if (given === null) return;
  const access = given.split(",").map((group) => group.trim()).filter(Boolean);
  try {
    update(await call("PATCH", here(`/documents/${encodeURIComponent(each.id)}`), { json: { access } }));
  } catch (error) {
    complain(error);
  }
}

const again = (each) => call("POST", here(`/documents/${encodeURIComponent(each.id)}/reindex`)).catch(complain);

function over(event, isOver) {
  event.preventDefault();
  $("drop").classList.toggle("over", isOver);
}

const complain = (error) => toast(error.message, "bad");
