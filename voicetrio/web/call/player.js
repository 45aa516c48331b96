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
 * @property {number} start samples that were heard before, from another page: it goes on from there
 * @property {number} received samples, with those before the start
 * @property {number} skip samples that are to come and are here already
 * @property {number | null} length samples in all, as the server has told; null: not yet
 * @property {number} heardMs
 * @property {boolean} paused
 */

export class Player {
  /** @type {Map<string, Utterance>} */ #utterances = new Map();
  /** @type {string | null} The one that audio belongs to. */ #fed = null;
  /** The last one whose audio came. @type {{requestId: string, samples: number} | null} */ #position = null;
  /** @type {string | null} The one that sounds. */ #sounding = null;
  /** @type {Set<number>} */ #timers = new Set();
  #context;
  #node;
  #meter;
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
    this.#meter = new LevelMeter(context);
    this.#node.connect(this.#meter.node).connect(context.destination);
  }

  /** Whether something sounds, or would if it were not paused. */
  get sound() {
    const sounding = this.#sounding === null ? undefined : this.#utterances.get(this.#sounding);
    return { playing: sounding?.paused === false, paused: sounding?.paused === true };
  }

  /** RMS, 0..1, of what sounds. */
  get level() {
    return this.#meter.rms;
  }

  /** Of the last utterance whose audio came, how much did: a cut is mended from there. */
  get position() {
    return this.#position;
  }

  /**
   * Of the utterance that sounds, how much was heard: another page goes on from there. Between two of them it is all of the
   * last one.
   */
  get heard() {
    const first = this.#utterances.entries().next().value;
    if (first === undefined) return this.#position;
    const [requestId, { rate, start, heardMs }] = first;
    return { requestId, samples: Math.max(start, Math.floor((heardMs * rate) / 1000)) };
  }

  /** What is fed from now on is of this utterance. @param {string} requestId @param {number} rate @param {number} [start] */
  begin(requestId, rate, start = 0) {
    const heardMs = Math.floor((1000 * start) / rate);
    this.#utterances.set(requestId, { rate, start, received: start, skip: 0, length: null, heardMs, paused: false });
    this.#fed = requestId;
    this.#node.port.postMessage({ do: "begin", id: requestId, rate });
  }

  /**
   * After a cut: what is fed from now on is of this utterance, and begins at that sample of it.
   * @param {string} requestId
   * @param {number} rate
   * @param {number} start
   */
  goOn(requestId, rate, start) {
    const utterance = this.#utterances.get(requestId);
    if (utterance === undefined) {
      this.begin(requestId, rate, start); // it was begun on another page
      return;
    }
    this.#fed = requestId;
    utterance.skip = Math.max(0, utterance.received - start);
    if (utterance.skip === 0) utterance.received = start;
  }

  /**
   * Audio that belongs to no utterance, as that was interrupted, is not played.
   * @param {ArrayBuffer} data 16-bit little-endian mono
   */
  feed(data) {
    if (this.#fed === null) return;
    const utterance = this.#utterances.get(this.#fed);
    if (utterance === undefined) return;
    // Every computer with a browser is little-endian. Half a sample cannot be played.
    let pcm = new Int16Array(data, 0, data.byteLength >> 1);
    if (utterance.skip > 0) {
      const skipped = Math.min(utterance.skip, pcm.length);
      utterance.skip -= skipped;
      pcm = pcm.slice(skipped);
    }
    utterance.received += pcm.length;
    this.#position = { requestId: this.#fed, samples: utterance.received };
    this.#node.port.postMessage({ do: "audio", id: this.#fed, pcm }, [pcm.buffer]);
    this.#endIfWhole(this.#fed, utterance);
  }

  /**
   * All of its audio was sent. What a cut has swallowed of it may still come, and it does not end before.
   * @param {string} requestId
   * @param {number} durationMs
   */
  end(requestId, durationMs) {
    const utterance = this.#utterances.get(requestId);
    if (utterance === undefined) return;
    utterance.length = Math.floor((durationMs * utterance.rate) / 1000);
    this.#endIfWhole(requestId, utterance);
  }

  /** The server waits for no more of it to be heard; what is here of it is played. @param {string} requestId */
  settle(requestId) {
    const utterance = this.#utterances.get(requestId);
    if (utterance === undefined) return;
    utterance.length = utterance.received;
    this.#endIfWhole(requestId, utterance);
    this.resume(requestId);
  }

  /** Silence at once, where it is: the server will say what becomes of it. */
  pauseAll() {
    for (const requestId of this.#utterances.keys()) this.pause(requestId);
  }

  /** It goes on after all. */
  resumeAll() {
    for (const requestId of this.#utterances.keys()) this.resume(requestId);
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
    this.#meter.close();
  }

  /** @param {string} requestId @param {Utterance} utterance */
  #endIfWhole(requestId, utterance) {
    // Its length is told in whole milliseconds.
    if (utterance.length === null || utterance.received < utterance.length - utterance.rate / 1000) return;
    if (this.#fed === requestId) this.#fed = null;
    this.#node.port.postMessage({ do: "end", id: requestId });
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
    const seconds = (utterance.start + played) / utterance.rate;
    if (event === "progress" || event === "paused") {
      this.#heard(id, utterance, Math.floor(1000 * Math.max(0, seconds - this.#latency)));
    }
    if (event === "finished") {
      const whole = Math.ceil(1000 * seconds); // rounded up, so that all of it is all of it
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
