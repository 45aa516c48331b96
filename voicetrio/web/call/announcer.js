/**
 * Has a screen reader say something, once. The text is gone again a moment later: who goes through the page finds each line
 * in the conversation, and not a second time here.
 */

/** Milliseconds after which the text is gone: screen readers take what has come into a live region long before. */
const STAY_MS = 2000;

export class Announcer {
  /** To be put into the page. */
  element = document.createElement("div");

  constructor() {
    this.element.className = "unseen";
    this.element.setAttribute("aria-live", "polite");
  }

  /** @param {string} text */
  say(text) {
    const words = document.createElement("p");
    words.textContent = text;
    this.element.append(words);
    setTimeout(() => words.remove(), STAY_MS);
  }

  clear() {
    this.element.replaceChildren();
  }
}
