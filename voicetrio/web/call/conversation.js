/** The lines of a conversation, made of the server's messages. Pure. */

/**
 * @typedef {object} Line
 * @property {string} id stable: a line that changes keeps it
 * @property {"you"|"agent"} who
 * @property {string} text
 * @property {string} tentative of "you": words that may still change, after `text`
 * @property {boolean} final nothing will change any more, but for `heard`
 * @property {boolean} interrupted of "agent": the rest of it will not be heard
 * @property {string | null} heard of "agent": what of it was heard; null: it is not known, or not spoken
 * @property {boolean} [old] it was said before the page was loaded again
 * @property {string} reason of "agent": why it was interrupted, as `playback.interrupted` tells it; "" if it was not
 */

/** @type {Pick<Line, "final" | "interrupted" | "heard" | "reason">} */
const OPEN = { final: false, interrupted: false, heard: null, reason: "" };

/** Utterances that are remembered: one is played at a time, and the next may wait. */
const SPOKEN_MAX = 32;

export class Conversation {
  /** @type {Line | null} */ #reply = null;
  #replies = 0;
  /** @type {Map<string, {line: Line, pieces: {text: string, offsetMs: number}[], own: boolean}>} */ #spoken = new Map();

  /**
   * @param {Record<string, any>} message of the server
   * @returns {Line[]} the lines that have changed
   */
  note(message) {
    switch (message.type) {
      case "transcript.partial":
        return [heard(message, false)];
      case "transcript.final":
        return [heard(message, true)];
      case "turn.started":
        return this.#closeReply();
      case "turn.ended":
        return this.#closeReply();
      case "assistant_message":
        return this.#write(message);
      case "tts.speaking_start":
        return this.#speak(message);
      case "tts.speaking_text":
        return this.#addPiece(message.request_id, message.text, message.offset_ms);
      case "playback.completed":
        return this.#over(message.request_id, null, "");
      case "playback.interrupted":
        return this.#over(message.request_id, String(message.heard_text ?? ""), String(message.reason ?? ""));
      default:
        return [];
    }
  }

  /**
   * So much of an utterance was heard.
   * @param {string} requestId
   * @param {number} ms
   * @returns {Line[]}
   */
  heardUntil(requestId, ms) {
    const spoken = this.#spoken.get(requestId);
    if (spoken === undefined) return [];
    // A piece was heard when the next one has begun; the server tells the end of the last.
    const { pieces, line } = spoken;
    const whole = pieces.filter((_, index) => index + 1 < pieces.length && pieces[index + 1].offsetMs <= ms);
    const text = joined(whole);
    if (line.heard === text) return [];
    line.heard = text;
    return [{ ...line }];
  }

  /** For a page that is loaded again. */
  save() {
    const spoken = [...this.#spoken].map(([requestId, one]) => ({ requestId, ...one, isReply: one.line === this.#reply }));
    return { reply: this.#reply, replies: this.#replies, spoken };
  }

  /** @param {ReturnType<Conversation["save"]>} saved */
  restore({ reply, replies, spoken }) {
    this.#reply = reply;
    this.#replies = replies;
    for (const { requestId, line, pieces, own, isReply } of spoken) {
      this.#spoken.set(requestId, { line: isReply && reply !== null ? reply : line, pieces, own });
    }
  }

  /** @param {Record<string, any>} message */
  #write(message) {
    const line = this.#reply ?? this.#newReply();
    if (typeof message.token === "string") line.text += message.token;
    if (message.is_final === true) {
      if (typeof message.content === "string" && message.content !== "") line.text = message.content;
      line.final = true;
    }
    return [{ ...line }];
  }

  #newReply() {
    this.#reply = { id: `reply-${++this.#replies}`, who: "agent", text: "", tentative: "", ...OPEN };
    return this.#reply;
  }

  #closeReply() {
    const line = this.#reply;
    this.#reply = null;
    if (line === null || line.final) return [];
    line.final = true;
    return [{ ...line }];
  }

  /** @param {Record<string, any>} message */
  #speak(message) {
    // Something may be spoken that nobody has written: it has a line of its own.
    const own = this.#reply === null || message.turn_id === undefined;
    const line = own ? { ...this.#newReply(), final: true } : /** @type {Line} */ (this.#reply);
    if (own) this.#reply = null;
    line.heard = "";
    this.#spoken.set(message.request_id, { line, pieces: [], own });
    if (this.#spoken.size > SPOKEN_MAX) this.#spoken.delete(String(this.#spoken.keys().next().value));
    return this.#addPiece(message.request_id, message.text, 0);
  }

  /** @param {string} requestId @param {unknown} text @param {unknown} offsetMs */
  #addPiece(requestId, text, offsetMs) {
    const spoken = this.#spoken.get(requestId);
    if (spoken === undefined || typeof text !== "string") return [];
    spoken.pieces.push({ text, offsetMs: Number(offsetMs) || 0 });
    if (spoken.own) spoken.line.text = joined(spoken.pieces);
    return [{ ...spoken.line }];
  }

  /** @param {string} requestId @param {string | null} heardText null: all of it @param {string} reason */
  #over(requestId, heardText, reason) {
    const spoken = this.#spoken.get(requestId);
    if (spoken === undefined) return [];
    this.#spoken.delete(requestId);
    spoken.line.heard = heardText ?? spoken.line.text;
    spoken.line.final = true;
    spoken.line.interrupted = heardText !== null;
    spoken.line.reason = reason;
    return [{ ...spoken.line }];
  }
}

/** @param {Record<string, any>} message @param {boolean} final @returns {Line} */
function heard(message, final) {
  const tentative = final ? "" : String(message.tentative ?? "");
  return { id: `speech-${message.segment_id}`, who: "you", text: String(message.text ?? ""), tentative, ...OPEN, final };
}

/** @param {{text: string}[]} pieces */
function joined(pieces) {
  return pieces.map(({ text }) => text.trim()).join(" ").trim();
}
