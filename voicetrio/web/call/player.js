/**
 * Plays the server's speech, and knows to the sample how much of it was heard.
 *
 * The counting is done in the audio thread (`worklets/playback.js`). What it has played is heard a little later, which is
 * taken into account: a report never says more than came out of the loudspeaker.
 */

import { LevelMeter } from "./level_meter.js";

/** Seconds: a driver that claims more delay than the slowest wireless headset is not believed. */
const LATENCY_MAX_S = 0.5;

/**
 * @typedef {object} PlayerEvents
 * @property {(requestId: string, ms: number) => void} onHeard so much was heard: ten times a second, and at its end
 * @property {(requestId: string) => void} onStarted the first sound of it
 * @property {() => void} onChange `playing` may have changed
 * @property {(ms: number) => void} onDropped the server is too far ahead: so much was thrown away
 */

/**
 * @typedef {object} Utterance
 * @property {number} rate samples per second
 * @property {number} heardMs
 * @property {number} durationMs as the server has told it; 0: not yet
 * @property {boolean} paused
 */

export class Player {
  /** @type {Map<string, Utterance>} */ #utterances = new Map();
  /** @type {string | null} The one that audio belongs to. */ #fed = null;
  /** @type {string | null} The one that sounds. */ #sounding = null;
  /** @type {Set<number>} */ #timers = new Set();
  #context;
  #node;
  #events;

  /**
   * The worklet `playback.js` must have been added to the context.
   * @param {AudioContext} context
   * @param {PlayerEvents} events
   */
  constructor(context, events) {
    this.#context = context;
    this.#events = events;
    this.#node = new AudioWorkletNode(context, "voicetrio-playback", {
      numberOfInputs: 0,
      numberOfOutputs: 1,
      outputChannelCount: [1],
    });
    this.#node.port.onmessage = ({ data }) => this.#note(data);
    this.meter = new LevelMeter(context);
    this.#node.connect(this.meter.node).connect(context.destination);
  }

  /** Whether something sounds, and is not paused. */
  get playing() {
    return this.#sounding !== null && this.#utterances.get(this.#sounding)?.paused === false;
  }

  /** What is fed from now on is of this utterance. @param {string} requestId @param {number} rate */
  begin(requestId, rate) {
    this.#utterances.set(requestId, { rate, heardMs: 0, durationMs: 0, paused: false });
    this.#fed = requestId;
    this.#node.port.postMessage({ do: "begin", id: requestId, rate });
  }

  /**
   * Audio that belongs to no utterance, as that was interrupted, is not played.
   * @param {ArrayBuffer} data 16-bit little-endian mono
   */
  feed(data) {
    if (this.#fed === null) return;
    // Every computer with a browser is little-endian. Half a sample cannot be played.
    const pcm = new Int16Array(data, 0, data.byteLength >> 1);
    this.#node.port.postMessage({ do: "audio", id: this.#fed, pcm }, [data]);
  }

  /** All of its audio was sent. @param {string} requestId @param {number} [durationMs] */
  end(requestId, durationMs = 0) {
    const utterance = this.#utterances.get(requestId);
    if (utterance === undefined) return;
    utterance.durationMs = durationMs;
    if (this.#fed === requestId) this.#fed = null;
    this.#node.port.postMessage({ do: "end", id: requestId });
  }

  /** @param {string} requestId */
  pause(requestId) {
    this.#setPaused(requestId, true);
  }

  /** @param {string} requestId */
  resume(requestId) {
    this.#setPaused(requestId, false);
  }

  /** The rest of it shall not be heard, and nothing more is told of it. @param {string} requestId */
  flush(requestId) {
    if (!this.#utterances.delete(requestId)) return;
    if (this.#fed === requestId) this.#fed = null;
    this.#node.port.postMessage({ do: "flush", id: requestId });
  }

  /** Silence. */
  flushAll() {
    for (const requestId of [...this.#utterances.keys()]) this.flush(requestId);
  }

  /** Safe to call twice. */
  close() {
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
    this.#utterances.clear();
    this.#node.port.onmessage = null;
    this.#node.port.postMessage({ do: "close" });
    this.#node.disconnect();
    this.meter.close();
  }

  /** @param {string} requestId @param {boolean} paused */
  #setPaused(requestId, paused) {
    const utterance = this.#utterances.get(requestId);
    if (utterance === undefined) return;
    utterance.paused = paused;
    this.#node.port.postMessage({ do: paused ? "pause" : "resume", id: requestId });
    this.#events.onChange();
  }

  /** @param {{event: string, id: string, played: number, samples: number}} report */
  #note({ event, id, played, samples }) {
    const utterance = this.#utterances.get(id);
    if (event === "flushed" || event === "finished") {
      if (this.#sounding === id) this.#sounding = null;
      this.#events.onChange();
    }
    if (utterance === undefined) return;
    if (event === "dropped") this.#events.onDropped((1000 * samples) / utterance.rate);
    if (event === "started") {
      this.#sounding = id;
      this.#events.onStarted(id);
      this.#events.onChange();
    }
    if (event === "progress" || event === "paused") {
      this.#heard(id, utterance, Math.floor(1000 * Math.max(0, played / utterance.rate - this.#latency)));
    }
    if (event === "finished") {
      // Rounded up, so that all of it is all of it. What a broken connection has swallowed will not be heard any more.
      const whole = Math.max(Math.ceil((1000 * played) / utterance.rate), utterance.durationMs);
      this.#later(this.#latency, () => {
        if (!this.#utterances.has(id)) return;
        this.#heard(id, utterance, whole);
        this.#utterances.delete(id);
      });
    }
  }

  /** @param {string} id @param {Utterance} utterance @param {number} ms */
  #heard(id, utterance, ms) {
    utterance.heardMs = Math.max(utterance.heardMs, ms);
    this.#events.onHeard(id, utterance.heardMs);
  }

  /** Seconds from the graph to the ear. */
  get #latency() {
    const seconds = this.#context.outputLatency || this.#context.baseLatency || 0;
    return Math.min(LATENCY_MAX_S, seconds);
  }

  /** @param {number} seconds @param {() => void} action */
  #later(seconds, action) {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      action();
    }, 1000 * seconds);
    this.#timers.add(timer);
  }
}
