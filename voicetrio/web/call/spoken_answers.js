/** What the server says aloud: it is played, and the server is told how much of it was heard, after a cut, too. */

import { trouble } from "./errors.js";
import { NoPlayer } from "./no_player.js";
import { Player } from "./player.js";

/** Samples per second of an utterance that does not tell: the protocol's default. */
const OUTPUT_RATE = 24_000;

/** @typedef {{requestId: string, samples: number}} Position */

/**
 * @typedef {object} SpeechEvents
 * @property {(requestId: string, ms: number) => void} onHeard so much of an utterance
 * @property {() => void} onSound what the loudspeaker does may have changed
 * @property {import("./native_call.js").CallEvents["onPlayback"]} onPlayback
 * @property {import("./native_call.js").CallEvents["onTrouble"]} onTrouble
 */

export class SpokenAnswers {
  #player;
  #send;
  #events;
  /** Where another page has stopped, until audio comes. @type {Position | null} */ #heardBefore;
  /** What the server has not been told yet. @type {Map<string, number>} */ #unreported = new Map();

  /**
   * @param {AudioContext | null} context with the worklets; null: this page cannot sound
   * @param {(message: Record<string, unknown>) => boolean} send tells whether it was sent
   * @param {Position | null} heardBefore by another page
   * @param {SpeechEvents} events
   */
  constructor(context, send, heardBefore, events) {
    this.#send = send;
    this.#heardBefore = heardBefore;
    this.#events = events;
    this.#player = context === null ? new NoPlayer() : this.#makePlayer(context);
  }

  get sound() {
    return this.#player.sound;
  }

  /** RMS, 0..1. */
  get level() {
    return this.#player.level;
  }

  /** Of the last utterance whose audio came, how much did: after a cut it goes on from there. */
  get position() {
    return this.#player.position ?? this.#heardBefore;
  }

  /** How much was heard: another page goes on from there. */
  get heard() {
    return this.#player.heard ?? this.#heardBefore;
  }

  /** @param {ArrayBuffer} data */
  feed(data) {
    this.#player.feed(data);
  }

  /** @param {Record<string, any>} message of the server; others than those about speech are none of its business */
  note(message) {
    const requestId = String(message.request_id);
    const rate = Number(message.sample_rate) || OUTPUT_RATE;
    switch (message.type) {
      case "tts.speaking_start":
        this.#player.begin(requestId, rate);
        break;
      case "tts.speaking_resumed":
        this.#player.goOn(requestId, rate, Number(message.start_sample) || 0);
        break;
      case "tts.speaking_end":
        this.#player.end(requestId, Number(message.duration_ms) || 0);
        break;
      case "playback.paused":
        this.#player.pause(requestId);
        break;
      case "playback.resumed":
        this.#player.resume(requestId);
        break;
      case "playback.completed":
        // The server gives no more time to a player that is far behind; ours may still have a little to play.
        this.#player.settle(requestId);
        this.#settled(requestId, "completed", message);
        break;
      case "playback.interrupted":
        this.#player.flush(requestId);
        this.#settled(requestId, "interrupted", message);
        if (message.reason === "disconnected") this.#events.onTrouble(trouble("answer_lost"));
        if (message.reason === "failed") this.#events.onTrouble(trouble("no_speech"));
        break;
    }
  }

  /** The connection is back: what could not be told meanwhile. */
  reportAgain() {
    for (const [requestId, ms] of this.#unreported) this.#report(requestId, ms);
  }

  /** Silence at once; the server says what becomes of it. */
  pauseAll() {
    this.#player.pauseAll();
  }

  /** It goes on after all. */
  resumeAll() {
    this.#player.resumeAll();
  }

  /** Silence, for good. */
  flushAll() {
    this.#player.flushAll();
  }

  close() {
    this.#player.close();
  }

  /** @param {AudioContext} context */
  #makePlayer(context) {
    return new Player(context, {
      onHeard: (requestId, ms) => this.#report(requestId, ms),
      onStarted: (requestId) => this.#events.onPlayback({ requestId, event: "started", heardMs: 0 }),
      onChange: () => this.#events.onSound(),
      onDropped: () => this.#events.onTrouble(trouble("no_speech")),
    });
  }

  /** @param {string} requestId @param {string} event @param {Record<string, any>} message */
  #settled(requestId, event, message) {
    this.#unreported.delete(requestId);
    const reason = message.reason === undefined ? {} : { reason: String(message.reason) };
    this.#events.onPlayback({ requestId, event, heardMs: Number(message.heard_ms), ...reason });
  }

  /** @param {string} requestId @param {number} ms */
  #report(requestId, ms) {
    const sent = this.#send({ type: "playback.progress", request_id: requestId, played_ms: ms });
    if (sent) this.#unreported.delete(requestId);
    else this.#unreported.set(requestId, ms);
    this.#events.onHeard(requestId, ms);
  }
}
