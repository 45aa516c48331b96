/** Which of its states (`states.js`) a call is in, by the server's messages and by what sounds. Pure: time is given. */

/** @typedef {import("./states.js").State} State */

/** Milliseconds after speech for its words to be there: a busy recogniser has been seen to need five seconds. */
const WORDS_MS = 10_000;

/** Milliseconds after the words for a turn to come of them: a cough is no question. */
const PATIENCE_MS = 3000;

/** Milliseconds of silence within an answer that are no pause in it: words wait for words, and its end for its message. */
const BREATH_MS = 700;

export class CallState {
  /** Whether the session can be spoken to. */
  connected = false;
  /** Whether the connection is being made anew. */
  cut = false;
  /** @type {import("./states.js").MicrophoneUse} */ microphone = "on";
  #answers;
  #playing = false;
  #paused = false;
  /** When the last sound of an answer ended. */ #soundedAt = -Infinity;
  #speech = false;
  #hold = false;
  /** @type {Set<string>} What was said and is being answered. */ #turns = new Set();
  /** What was typed and has no answer yet: the server does not tell when such a turn begins. */ #typed = 0;
  /** Until when something is expected to come of what was heard. */ #expectUntil = -Infinity;

  /** @param {boolean} answers whether what is said is answered */
  constructor(answers) {
    this.#answers = answers;
  }

  /** Whether an answer is being thought of, written or spoken, so that there is something to stop. */
  get answering() {
    return this.#playing || this.#paused || this.#turns.size > 0 || this.#typed > 0;
  }

  /**
   * What the loudspeaker does.
   * @param {{playing: boolean, paused: boolean}} player
   * @param {number} now milliseconds of a clock that never goes back
   */
  sound({ playing, paused }, now) {
    if (this.#playing && !playing) this.#soundedAt = now;
    this.#playing = playing;
    this.#paused = paused;
  }

  /** A message was typed. */
  typed() {
    this.#typed++;
  }

  /** It is not known whether what was typed has arrived: nothing is expected to come of it. */
  forgetTyped() {
    this.#typed = 0;
  }

  /**
   * @param {Record<string, any>} message of the server
   * @param {number} now milliseconds of the same clock
   */
  note(message, now) {
    switch (message.type) {
      case "vad.speech_start":
        this.#speech = true;
        this.#hold = false;
        break;
      case "vad.speech_end":
        this.#speech = false;
        this.#expectUntil = now + WORDS_MS;
        break;
      case "transcript.final":
        this.#expectUntil = this.#answers && message.text ? now + PATIENCE_MS : -Infinity;
        break;
      case "turn.started":
        this.#turns.add(message.turn_id);
        this.#expectUntil = -Infinity;
        break;
      case "turn.ended":
        if (!this.#turns.delete(message.turn_id)) this.#typed = Math.max(0, this.#typed - 1);
        break;
      case "session.hold":
        this.#hold = true;
        break;
      case "error":
        if (message.code === "too_many_messages") this.#typed = Math.max(0, this.#typed - 1);
        if (/^(recognizer|worker)_/.test(message.code)) this.#expectUntil = -Infinity; // there will be no words
        break;
    }
  }

  /** @param {number} now @returns {State} */
  at(now) {
    if (!this.connected) return "connecting";
    if (this.cut) return "reconnecting";
    const answered = this.#turns.size > 0 || this.#typed > 0;
    if (this.#playing || (answered && now - this.#soundedAt < BREATH_MS && !this.#paused)) return "speaking";
    if (this.#speech && this.microphone === "on") return "hearing";
    if (this.#paused) return "paused";
    if (answered || now < this.#expectUntil) return "thinking";
    if (this.microphone !== "on") return this.microphone === "muted" ? "muted" : "typing";
    return this.#hold ? "hold" : "listening";
  }

  /** For a page that is loaded again. */
  save() {
    return { speech: this.#speech, hold: this.#hold, turns: [...this.#turns], typed: this.#typed };
  }

  /** @param {ReturnType<CallState["save"]>} saved */
  restore({ speech, hold, turns, typed }) {
    this.#speech = speech;
    this.#hold = hold;
    this.#turns = new Set(turns);
    this.#typed = typed;
  }
}
