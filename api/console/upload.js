// Files and folders to upload: which of them are new, which replace a document, and their requests.

import { call } from "./client.js";
import { prompt, toast } from "./dom.js";
import { t } from "./i18n.js";
import { here } from "./state.js";

const BATCH_FILES = 20;
const BATCH_BYTES = 64 * 2 ** 20;
const IDS_AT_ONCE = 50;
const LONGEST_ID = 256;
const NAMED = 5;
const TRIES = 6;

// A file is known by its path below what was chosen or dropped, as `phoserve ingest` has it.
export const chosenFiles = (files) => [...files].map((file) => ({ file, id: idOf(file.webkitRelativePath || file.name) }));

export async function droppedFiles(transfer) {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (!entries.length) return chosenFiles(transfer.files);
  return (await Promise.all(entries.map(filesOf))).flat();
}

async function filesOf(entry) {
  if (entry.name.startsWith(".")) return [];
  if (entry.isFile) {
    const file = await new Promise((resolve, reject) => entry.file(resolve, reject));
    return [{ file, id: idOf(entry.fullPath.replace(/^\//, "")) }];
  }
  const reader = entry.createReader();
  const children = [];
  for (;;) {
    // A folder is read in parts of 100.
    const part = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (!part.length) break;
    children.push(...part);
  }
  return (await Promise.all(children.map(filesOf))).flat();
}

// Null for a name that is no id: the server makes one.
function idOf(path) {
  const id = path.normalize("NFC").trim();
  return id && !/^\.{1,2}$/.test(id) && id.length <= LONGEST_ID && !/[\p{C}]/u.test(id) ? id : null;
}

// Send `files` in parts; `report(done)` follows them. Files that are stored already are not sent again.
export async function send(files, report) {
  report(0);
  const known = await stored(files);
  const { changed, unchanged } = await compared(files, known);
  const wanted = await agreed(changed, known);
  const refused = [];
  let sent = 0;
  let done = files.length - wanted.length;
  for (const batch of batches(wanted)) {
    sent += await post(batch, refused);
    done += batch.length;
    report(done);
  }
  if (sent) toast(t("uploaded", { n: sent }));
  if (unchanged) toast(t("unchanged", { n: unchanged }));
  if (refused.length) toast(t("refusedFiles", { n: refused.length, names: listed(refused) }), "bad");
}

async function stored(files) {
  const ids = files.map((each) => each.id).filter(Boolean);
  const known = new Map();
  for (let at = 0; at < ids.length; at += IDS_AT_ONCE) {
    const parameters = new URLSearchParams(ids.slice(at, at + IDS_AT_ONCE).map((id) => ["id", id]));
    const { documents } = await patiently(() => call("GET", here(`/documents?${parameters}`)));
    for (const each of documents) known.set(each.id, each);
  }
  return known;
}

// Without a secure context the browser has no hashes, and every file counts as changed.
async function compared(files, known) {
  const changed = [];
  for (const each of files) {
    const old = known.get(each.id);
    const isSame = old && old.state !== "failed" && old.size_bytes === each.file.size && (await sha256(each.file)) === old.sha256;
    if (!isSame) changed.push(each);
  }
  return { changed, unchanged: files.length - changed.length };
}

async function sha256(file) {
  if (!crypto.subtle) return null;
  const digest = await crypto.subtle.digest("SHA-256", await file.arrayBuffer());
  return [...new Uint8Array(digest)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

// A failed document is replaced without a question: there is nothing to lose.
async function agreed(files, known) {
  const replaced = files.filter((each) => known.has(each.id) && known.get(each.id).state !== "failed").map((each) => each.id);
  if (!replaced.length) return files;
  const sure = await prompt({ title: t("replaceTitle"), text: t("replaceText", { names: listed(replaced) }), ok: t("replace") });
  return sure === null ? files.filter((each) => !replaced.includes(each.id)) : files;
}

function* batches(files) {
  let batch = [];
  let bytes = 0;
  for (const each of files) {
    const named = each.id !== null;
    const isFull = batch.length === BATCH_FILES || bytes + each.file.size > BATCH_BYTES;
    if (batch.length && (isFull || named !== (batch[0].id !== null))) {
      yield batch;
      batch = [];
      bytes = 0;
    }
    batch.push(each);
    bytes += each.file.size;
  }
  if (batch.length) yield batch;
}

// One bad file must not affect the others: a batch that is refused is sent file by file.
async function post(batch, refused) {
  const form = new FormData();
  for (const { file, id } of batch) {
    if (id !== null) form.append("id", id);
    form.append("files", file);
  }
  try {
    const bulk = batch.length > 1 ? "?bulk=true" : "";
    return (await patiently(() => call("POST", here(`/documents${bulk}`), { form }))).documents.length;
  } catch (error) {
    if (batch.length === 1) {
      refused.push(`${batch[0].file.name} (${error.message})`);
      return 0;
    }
    let sent = 0;
    for (const each of batch) sent += await post([each], refused);
    return sent;
  }
}

// A server at capacity is asked again, a little later each time.
async function patiently(request) {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await request();
    } catch (error) {
      if (error.status !== 429 || attempt === TRIES) throw error;
      await new Promise((resolve) => setTimeout(resolve, 1000 * attempt));
    }
  }
}

function listed(names) {
  const shown = names.slice(0, NAMED).join(", ");
  return names.length > NAMED ? `${shown}, … (+${names.length - NAMED})` : shown;
}
