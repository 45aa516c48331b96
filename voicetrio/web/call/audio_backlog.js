/**
 * The last seconds of the microphone, by position: what was not sent yet, and what was, should it have been lost.
 *
 * Positions are samples of the session's audio clock, which counts what was sent. Pure.
 */

/** Seconds: the time that a session waits for its client (15), and some more for what was under way. */
const KEEP_S = 20;

const RATE = 16_000;

export class AudioBacklog {
  /** @type {Int16Array[]} */ #frames = [];
  #keep;
  /** Of the first sample that is kept. */ #start = 0;
  /** Of the first sample that was not sent. */ #cursor = 0;
  #end = 0;
  /** Index of the frame that the cursor is in. */ #index = 0;
  /** Of its first sample. */ #indexStart = 0;
  /** Samples that had to be given up unsent. */
  dropped = 0;

  /** @param {number} [keepS] seconds of audio that are kept */
  constructor(keepS = KEEP_S) {
    this.#keep = keepS * RATE;
  }

  /** Samples that wait to be sent. */
  get waiting() {
    return this.#end - this.#cursor;
  }

  /** What the microphone has heard. @param {Int16Array} frame */
  push(frame) {
    this.#frames.push(frame);
    this.#end += frame.length;
    while (this.#end - this.#start > this.#keep) this.#forget();
  }

  /** The next audio to send, a frame or the rest of one; null: all was sent. */
  next() {
    const frame = this.#frames[this.#index];
    if (frame === undefined) return null;
    const part = frame.subarray(this.#cursor - this.#indexStart);
    this.#cursor += part.length;
    this.#indexStart = this.#cursor;
    this.#index++;
    return part;
  }

  /**
   * Go on from there. What is not kept any more is left out, and the clock goes on without it.
   * @param {number} position
   * @returns {number} samples that were to be sent and are gone
   */
  goTo(position) {
    if (position > this.#end) this.#startAt(position); // another page has sent it
    const gone = Math.max(0, this.#start - position);
    // The server has heard nothing of it, so that its clock knows nothing of it either.
    this.#start -= gone;
    this.#end -= gone;
    this.dropped += gone;
    this.#cursor = Math.min(Math.max(position, this.#start), this.#end);
    this.#index = 0;
    this.#indexStart = this.#start;
    while (this.#index < this.#frames.length) {
      const after = this.#indexStart + this.#frames[this.#index].length;
      if (after > this.#cursor) break;
      this.#indexStart = after;
      this.#index++;
    }
    return gone;
  }

  /** @param {number} position */
  #startAt(position) {
    this.#frames = [];
    this.#start = this.#end = position;
  }

  #forget() {
    const length = /** @type {Int16Array} */ (this.#frames.shift()).length;
    this.#start += length;
    if (this.#index > 0) {
      this.#index--;
      return;
    }
    // It was not sent, or not all of it: the session's clock counts what is sent, and goes on with the next one.
    const unsent = this.#start - this.#cursor;
    this.dropped += unsent;
    this.#start -= unsent;
    this.#end -= unsent;
    this.#indexStart = this.#start;
  }
}
