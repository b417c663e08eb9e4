// Puts the page together: tabs, language, theme, health, the chosen collection.

import { startAsk, resetAsk } from "./ask.js";
import { askForKey } from "./client.js";
import { createCollection, deleteCollection, loadCollections, markChosen } from "./collections.js";
import { loadDocuments, nameStates, startDocuments, watch } from "./documents.js";
import { $, toast } from "./dom.js";
import { language, setLanguage, t, translate } from "./i18n.js";
import { reset, search, startSearch } from "./search.js";
import { onCollection } from "./state.js";

const TABS = ["search", "ask", "documents"];
const THEMES = ["auto", "light", "dark"];
const SIGNS = { auto: "◐", light: "☀", dark: "☾" };
const HEALTH_MS = 10000;
const guarded = (action) => async (...given) => {
  try {
    await action(...given);
  } catch (error) {
    toast(error.message, "bad");
  }
};

function show(tab) {
  for (const each of TABS) {
    const chosen = each === tab;
    $(`tab-${each}`).ariaSelected = String(chosen);
    $(`tab-${each}`).tabIndex = chosen ? 0 : -1;
    $(`panel-${each}`).hidden = !chosen;
  }
  history.replaceState(null, "", `#${tab}`);
  if (tab !== "documents") $({ search: "query", ask: "question" }[tab]).focus({ preventScroll: true });
}

function startTabs() {
  for (const [position, each] of TABS.entries()) {
    $(`tab-${each}`).addEventListener("click", () => show(each));
    $(`tab-${each}`).addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (!step) return;
      const next = TABS[(position + step + TABS.length) % TABS.length];
      show(next);
      $(`tab-${next}`).focus();
    });
  }
  document.addEventListener("keydown", (event) => {
    if (event.key !== "/" || event.target.matches("input, select, textarea") || document.querySelector("dialog[open]")) return;
    event.preventDefault();
    show("search");
    $("query").select();
  });
}

function startTheme() {
  const apply = (theme) => {
    document.documentElement.dataset.theme = theme;
    localStorage.setItem("theme", theme);
    $("theme").textContent = SIGNS[theme];
  };
  apply(localStorage.getItem("theme") ?? "auto");
  $("theme").addEventListener("click", () => apply(THEMES[(THEMES.indexOf(document.documentElement.dataset.theme) + 1) % THEMES.length]));
}

function speak(next) {
  setLanguage(next);
  $("language").textContent = next === "vi" ? "English" : "Tiếng Việt";
  nameStates();
  if (!$("query").value.trim()) reset();
}

async function checkHealth() {
  let ready = false;
  try {
    ready = (await fetch("/health/ready")).ok;
  } catch {
    // The color shows it.
  }
  $("health").className = `dot ${ready ? "good" : "bad"}`;
  $("health").title = t(ready ? "healthy" : "unhealthy");
  $("health").ariaLabel = $("health").title;
}

onCollection((name) => {
  markChosen();
  resetAsk();
  $("delete-collection").hidden = name === null;
  $("drop").hidden = name === null;
  search();
  guarded(loadDocuments)();
  watch(name);
});

translate();
startTabs();
startTheme();
startSearch();
startAsk();
startDocuments();
speak(language);
$("language").addEventListener("click", () => {
  speak(language === "vi" ? "en" : "vi");
  guarded(loadDocuments)();
});
$("key").addEventListener("click", guarded(async () => {
  if (await askForKey()) await loadCollections();
}));
$("new-collection").addEventListener("click", guarded(createCollection));
$("delete-collection").addEventListener("click", guarded(deleteCollection));
show(TABS.includes(location.hash.slice(1)) ? location.hash.slice(1) : "search");
reset();
checkHealth();
setInterval(checkHealth, HEALTH_MS);
guarded(loadCollections)();
