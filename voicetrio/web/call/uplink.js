/** What the microphone has heard, on its way to the server: as fast as the line and the server take it, and no word lost. */

import { AudioBacklog } from "./audio_backlog.js";

/** Samples per millisecond of the session's audio clock. */
const PER_MS = 16;

/** Frames that are sent for each that comes in, while what was held back is caught up with: the server allows 1.2. */
const CATCH_UP = 1.15;

export class Uplink {
  #backlog = new AudioBacklog();
  #socket;
  #heldUntil = 0;
  /** Whether audio was held back, so that it must not come at once. */ #paced = false;
  #credit = 0;

  /** @param {{roomy: boolean, sendAudio: (pcm: Int16Array) => void}} socket */
  constructor(socket) {
    this.#socket = socket;
  }

  /** @param {Int16Array} frame */
  push(frame) {
    this.#backlog.push(frame);
    if (performance.now() < this.#heldUntil) return;
    this.#credit = this.#paced ? Math.min(10, this.#credit + CATCH_UP) : Infinity;
    while (this.#credit >= 1 && this.#socket.roomy) {
      const part = this.#backlog.next();
      if (part === null) {
        this.#paced = false;
        break;
      }
      this.#socket.sendAudio(part);
      this.#credit -= 1;
    }
    if (this.#credit === Infinity) this.#credit = 0;
  }

  /** The server wants nothing for so long. @param {number} ms */
  hold(ms) {
    this.#heldUntil = performance.now() + ms;
    this.#paced = true;
  }

  /**
   * After a cut: go on from there. What was spoken meanwhile may come at once.
   * @param {number} ms of the session's audio clock
   * @returns {boolean} whether something is lost, as the cut was too long
   */
  goOn(ms) {
    this.#paced = false;
    return this.#backlog.goTo(ms * PER_MS) > 0;
  }
}
