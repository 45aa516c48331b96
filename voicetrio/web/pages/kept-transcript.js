// The conversation outlives a reload, in this tab and for an hour: it is kept while no page is there, and not longer.

const KEY = "voicetrio-transcript";
const KEEP_MS = 3_600_000; // somebody else may sit there later

/** @param {import("./transcript.js").Transcript} transcript */
export function keepTranscript(transcript) {
  restore(transcript);
  addEventListener("pagehide", () => save(transcript));
  addEventListener("pageshow", ({ persisted }) => persisted && drop()); // this page was only put aside: it has all of it
}

function save(transcript) {
  if (transcript.empty) return;
  try {
    sessionStorage.setItem(KEY, JSON.stringify({ until: Date.now() + KEEP_MS, saved: transcript.save() }));
  } catch {
    // Full, or forbidden in this browser: then the next page begins anew.
  }
}

function restore(transcript) {
  try {
    const { until, saved } = JSON.parse(sessionStorage.getItem(KEY) ?? "{}");
    if (Date.now() < until) transcript.restore(saved);
  } catch {
    // As if there were none.
  }
  drop();
}

function drop() {
  try {
    sessionStorage.removeItem(KEY);
  } catch {
    // There is none where nothing may be kept.
  }
}
