/**
 * A call that its page leaves while it is loaded again, kept in this tab for the page that comes next.
 *
 * It is written when a page goes, and taken away when the next one comes: a tab that is duplicated meanwhile has nothing to
 * take the call over with.
 */

/** Which form the saved values have: a page of another version of the widget does not read them. */
const VERSION = 1;

const PREFIX = "voicetrio-call";

/**
 * @typedef {object} SavedPage
 * @property {import("./native_call.js").SavedCall} call
 * @property {string} server
 * @property {string} sessionId with which it was begun
 * @property {string | null} renamed
 * @property {boolean} muted
 * @property {number} typed messages so far: their lines are counted
 * @property {import("./conversation.js").Line[]} lines
 */

/** @param {string} id of the element; pages of one site keep theirs apart */
const keyOf = (id) => `${PREFIX} ${location.pathname} ${id}`;

/** @param {string} id @param {SavedPage} page */
export function saveCall(id, page) {
  const until = Date.now() + page.call.resumption.graceMs;
  try {
    sessionStorage.setItem(keyOf(id), JSON.stringify({ version: VERSION, until, page }));
  } catch {
    // Full, or forbidden in this browser: then the call ends with its page.
  }
}

/**
 * Of the page before, if the server still waits for it. It is given once.
 * @param {string} id
 * @returns {SavedPage | null}
 */
export function takeCall(id) {
  try {
    const text = sessionStorage.getItem(keyOf(id));
    sessionStorage.removeItem(keyOf(id));
    const { version, until, page } = JSON.parse(text ?? "{}");
    return version === VERSION && Date.now() < until ? page : null;
  } catch {
    return null;
  }
}
