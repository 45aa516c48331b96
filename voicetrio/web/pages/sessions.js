// The operator's page: asks the server every two seconds, shows what it says, and says how old that is.
//
// The browser has asked for the admin key when the page was opened, and sends it along by itself.

import { SessionsTable, duration, fill } from "./sessions-table.js";

const INTERVAL = 2_000; // ms between two questions
const PATIENCE = 5_000; // ms for an answer
const LONGEST_WAIT = 30_000; // ms between questions to a server that does not answer; doubled from INTERVAL on
const PAUSED = "paused while the page is hidden";

const find = (id) => document.getElementById(id);
const table = new SessionsTable(find("sessions"));
const counted = (number, word) => `${number} ${word}${number === 1 ? "" : "s"}`;

let timer = 0;
let asking = null; // the AbortController of the question that is under way
let failures = 0;
let stopped = false; // for good: the key is not accepted any more
let news = null; // the last answer
let newsAt = 0; // when it came, by performance.now()

function setText(element, text) {
  if (element.textContent !== text) element.textContent = text; // screen readers hear of changes only
}

async function ask() {
  clearTimeout(timer);
  if (stopped || document.hidden || asking !== null) return;
  asking = new AbortController();
  const patience = setTimeout(() => asking?.abort(), PATIENCE);
  let wait = INTERVAL;
  try {
    const response = await fetch("/v1/sessions", { cache: "no-store", signal: asking.signal });
    if (response.status === 401 || response.status === 403) {
      stop();
    } else if (response.ok) {
      news = await response.json();
      newsAt = performance.now();
      failures = 0;
      showNews();
      showContact("live", "live");
    } else {
      wait = fail(`the server answers with HTTP ${response.status}`, Number(response.headers.get("Retry-After")));
    }
  } catch {
    wait = fail("not reachable", 0);
  } finally {
    clearTimeout(patience);
    asking = null;
  }
  if (stopped) return;
  if (document.hidden) {
    showContact("paused", PAUSED);
  } else {
    timer = setTimeout(ask, wait);
  }
}

/** Returns how many milliseconds to wait. */
function fail(why, retryAfter) {
  failures += 1;
  const wait = Math.max(retryAfter * 1_000 || 0, Math.min(INTERVAL * 2 ** (failures - 1), LONGEST_WAIT));
  showContact("lost", `${why}; trying again in ${duration(wait / 1_000)}`);
  return wait;
}

function stop() {
  stopped = true;
  find("notice").hidden = false;
  setText(find("notice"), "The admin key is not accepted any more. Reload this page to enter it again.");
  showContact("lost", "stopped");
}

/** @param {"waiting"|"live"|"lost"|"paused"} contact */
function showContact(contact, text) {
  find("contact").dataset.contact = contact;
  setText(find("contact"), text);
  document.body.classList.toggle("stale", contact === "lost");
  showSummary();
  showAge();
}

function showAge() {
  const old = (performance.now() - newsAt) / 1_000;
  const when = new Date(Date.now() - old * 1_000).toLocaleTimeString();
  setText(find("updated"), news === null ? "" : `last updated ${when}${old < 5 ? "" : `, ${duration(old)} ago`}`);
}

/** The only live region. It has no ages in it: it would be read aloud every two seconds. */
function showSummary() {
  const lost = find("contact").dataset.contact === "lost";
  const parts = stopped ? ["Stopped: the admin key is not accepted any more."] : lost ? ["The server does not answer."] : [];
  if (news !== null) {
    const { totals } = news;
    const away = totals.away > 0 ? `, ${totals.away} of them away` : "";
    const what = `${counted(totals.sessions, "session")} of ${totals.max_sessions}${away}; `;
    const workers = `${totals.workers_ready} of ${counted(totals.workers, "worker")} ready.`;
    parts.push((lost ? "Last known: " : "") + what + workers);
    if (totals.going_away) parts.push("The server is stopping.");
  }
  if (parts.length > 0) setText(find("summary"), parts.join(" "));
}

function showNews() {
  showMatches(table.update(news.sessions, news.totals));
  const { totals, workers, more } = news;
  document.title = `(${totals.sessions}) voicetrio: sessions`;
  find("more").hidden = more === 0;
  setText(find("more"), `${counted(more, "younger session")} not shown.`);
  const list = find("workers");
  while (list.children.length > workers.length) list.lastElementChild.remove();
  while (list.children.length < workers.length) list.append(document.createElement("li"));
  workers.forEach((worker, place) => fill(list.children[place], describeWorker(worker)));
}

function describeWorker(worker) {
  const parts = [{ text: worker.worker, kind: "id" }];
  const kinds = { ready: "good", draining: "warning", starting: "warning" };
  parts.push({ text: worker.state, kind: `badge ${kinds[worker.state] ?? "bad"}` });
  if (worker.hears_with) {
    const streams = `${worker.streams} of ${counted(worker.stt_slots, "stream")} taken by this server`;
    parts.push({ text: `hears with ${worker.hears_with}, ${streams}` });
  }
  if (worker.speaks_with) parts.push({ text: `speaks with ${worker.speaks_with}, ${counted(worker.tts_slots, "text")} at once` });
  return parts;
}

function showMatches(shown) {
  const all = news?.sessions.length ?? 0;
  const filtered = find("filter").value.trim() !== "";
  setText(find("matches"), filtered ? `${shown} of ${counted(all, "session")}` : "");
  find("empty").hidden = news === null || shown > 0;
  setText(find("empty"), all === 0 ? "There are no sessions now." : "No session has this in it.");
}

find("tools").addEventListener("submit", (event) => event.preventDefault());
find("filter").addEventListener("input", () => showMatches(table.filter(find("filter").value)));

document.addEventListener("visibilitychange", () => {
  if (stopped) return;
  if (document.hidden) {
    clearTimeout(timer);
    showContact("paused", PAUSED);
  } else {
    showContact("waiting", "asking");
    ask();
  }
});
window.addEventListener("online", ask);
setInterval(() => {
  if (!document.hidden) showAge();
}, 1_000);
ask();
