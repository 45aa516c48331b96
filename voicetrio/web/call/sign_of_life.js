/**
 * Whether the server is still there. Networks fail without a word: after a silence it is asked, and if nothing at all comes
 * after that, it is taken for gone. Whatever comes counts, as audio may be ahead of the answer.
 */

/** Milliseconds without a word, after which it is asked. */
const QUIET_MS = 1500;

/** Milliseconds for anything to come after that. Two seconds of our own audio may be ahead of the question. */
const SIGN_MS = 3500;

/** Milliseconds between two looks. */
const WATCH_MS = 500;

export class SignOfLife {
  #ask;
  #onGone;
  #timer = 0;
  /** When something came last. */ #cameAt = 0;
  /** When it was asked and has not answered; null: nothing is owed. @type {number | null} */ #askedAt = null;

  /** @param {{ask: () => boolean, onGone: () => void}} actions `ask` tells whether it could */
  constructor({ ask, onGone }) {
    this.#ask = ask;
    this.#onGone = onGone;
  }

  /** From now on. */
  watch() {
    this.stop();
    this.came();
    this.#timer = setTimeout(() => this.#look(), WATCH_MS);
  }

  /** Something has come. */
  came() {
    this.#cameAt = performance.now();
    this.#askedAt = null;
  }

  stop() {
    clearTimeout(this.#timer);
  }

  #look() {
    const now = performance.now();
    // By the question and not by the silence: a page in the background may look once a minute only.
    if (this.#askedAt !== null && now - this.#askedAt > SIGN_MS) {
      this.#onGone();
      return;
    }
    if (this.#askedAt === null && now - this.#cameAt > QUIET_MS && this.#ask()) this.#askedAt = now;
    this.#timer = setTimeout(() => this.#look(), WATCH_MS);
  }
}
