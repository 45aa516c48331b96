/** Which of its states a call is in, by the server's messages and by what sounds. Pure: time is given. */

/** @typedef {"idle"|"connecting"|"listening"|"hearing"|"thinking"|"speaking"|"hold"|"reconnecting"|"ended"|"error"} State */

/** In words. @type {Record<State, string>} */
export const STATE_TEXTS = {
  idle: "Ready",
  connecting: "Connecting",
  listening: "Listening",
  hearing: "Hearing you",
  thinking: "Thinking",
  speaking: "Speaking",
  hold: "On hold. Speak to go on",
  reconnecting: "Reconnecting",
  ended: "Call ended",
  error: "Call failed",
};

/** Milliseconds after the last sign of what was heard, when it has come to nothing: a cough is no question. */
const PATIENCE_MS = 3000;

export class CallState {
  /** Whether the session can be spoken to. */
  connected = false;
  /** Whether the connection is being made anew. */
  cut = false;
  #playing = false;
  #answers;
  #speech = false;
  #hold = false;
  /** @type {Set<string>} Turns of which nothing was heard yet. */ #turns = new Set();
  /** Until when something is expected to come of what was heard. */ #expectUntil = -Infinity;

  /** @param {boolean} answers whether what is said is answered */
  constructor(answers) {
    this.#answers = answers;
  }

  /** Whether the answer sounds. @param {boolean} playing */
  set playing(playing) {
    this.#playing = playing;
    if (playing) this.#turns.clear(); // nobody thinks any more
  }

  /**
   * @param {Record<string, any>} message of the server
   * @param {number} now milliseconds of a clock that never goes back
   */
  note(message, now) {
    switch (message.type) {
      case "vad.speech_start":
        this.#speech = true;
        this.#hold = false;
        break;
      case "vad.speech_end":
        this.#speech = false;
        this.#expectUntil = now + PATIENCE_MS;
        break;
      case "transcript.final":
        this.#expectUntil = this.#answers && message.text ? now + PATIENCE_MS : -Infinity;
        break;
      case "turn.started":
        this.#turns.add(message.turn_id);
        this.#expectUntil = -Infinity;
        break;
      case "turn.ended":
        this.#turns.delete(message.turn_id);
        break;
      case "session.hold":
        this.#hold = true;
        break;
    }
  }

  /** @param {number} now @returns {State} */
  at(now) {
    if (!this.connected) return "connecting";
    if (this.cut) return "reconnecting";
    if (this.#playing) return "speaking";
    if (this.#speech) return "hearing";
    if (this.#turns.size > 0 || now < this.#expectUntil) return "thinking";
    return this.#hold ? "hold" : "listening";
  }
}
