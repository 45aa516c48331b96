/** Names for sessions and rooms that nobody else has, and nobody can guess. */

const LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789";

/** Characters. 62 bits: a billion sessions a day for a million years, before two are likely to meet in a millisecond. */
const LENGTH = 12;

/**
 * A new id, such as `session-1703123456789-k3m9x7q2w0fz`.
 * @returns {string}
 */
export function newSessionId() {
  return `session-${Date.now()}-${randomLetters(LENGTH)}`;
}

/** @param {number} length */
function randomLetters(length) {
  // The largest multiple of 36 that fits a byte: what is above would make the first letters likelier.
  const limit = 256 - (256 % LETTERS.length);
  let text = "";
  while (text.length < length) {
    for (const byte of crypto.getRandomValues(new Uint8Array(2 * length))) {
      if (byte < limit && text.length < length) text += LETTERS[byte % LETTERS.length];
    }
  }
  return text;
}
