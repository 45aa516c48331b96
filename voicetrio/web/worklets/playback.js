/**
 * The loudspeaker's end: utterances are played one after the other, and it is counted what was played of each.
 *
 * In:  {do: "begin", id, rate} {do: "audio", id, pcm} {do: "end"|"pause"|"resume"|"flush", id} {do: "close"}
 * Out: {event: "started"|"progress"|"paused"|"finished"|"flushed", id, played} and {event: "dropped", id, samples};
 *      `played` are samples at the utterance's own rate.
 *
 * Sound never begins or stops at once, which would click: it fades within a render quantum, or 5 ms for what is thrown away.
 */

import { Resampler } from "./resampler.js";

/** Samples of a fade when the sound is to go on later: one render quantum. */
const FADE = 128;

/** Seconds of the fade of what is thrown away. */
const FLUSH_FADE_S = 0.005;

/** Seconds that must be there before sound begins, or goes on after it ran out: it shall not stutter. */
const CUSHION_S = 0.02;

/** Seconds between two reports. */
const REPORT_S = 0.1;

/** Seconds that may wait. The server is 10 s ahead at most; a broken one shall not fill the memory. */
const QUEUE_S = 60;

class Utterance {
  paused = false;
  flushed = false;
  started = false;
  starving = true;
  /** @type {Int16Array[]} */ chunks = [];
  waiting = 0;
  #ended = false;
  #resampler;

  /** @param {string} id @param {number} rate */
  constructor(id, rate) {
    this.id = id;
    this.rate = rate;
    this.#resampler = new Resampler(rate, sampleRate);
  }

  get played() {
    return this.#resampler.consumed;
  }

  get ended() {
    return this.#ended && this.chunks.length === 0;
  }

  /** @param {Int16Array} pcm */
  add(pcm) {
    this.chunks.push(pcm);
    this.waiting += pcm.length;
  }

  end() {
    this.#ended = true;
  }

  /** How many samples can be had, of those that are wanted. @param {number} wanted */
  prepare(wanted) {
    while (this.#resampler.available < wanted && this.chunks.length > 0) {
      const pcm = /** @type {Int16Array} */ (this.chunks.shift());
      this.waiting -= pcm.length;
      this.#resampler.push(Float32Array.from(pcm, (sample) => sample / 32_768));
    }
    if (this.ended) this.#resampler.end();
    return Math.min(wanted, this.#resampler.available);
  }

  /** @param {Float32Array} output @param {number} start @param {number} end */
  render(output, start, end) {
    return this.#resampler.pull(output, start, end);
  }
}

class Playback extends AudioWorkletProcessor {
  /** @type {Utterance[]} */ #queue = [];
  #gain = 0;
  #reportAt = 0;
  #open = true;

  constructor() {
    super();
    this.port.onmessage = ({ data }) => this.#obey(data);
  }

  /** @param {{do: string, id: string, rate: number, pcm: Int16Array}} order */
  #obey(order) {
    if (order.do === "close") {
      this.#open = false;
      this.#queue = [];
    }
    if (order.do === "begin") {
      this.#queue.at(-1)?.end();
      this.#queue.push(new Utterance(order.id, order.rate));
    }
    const utterance = this.#queue.find(({ id }) => id === order.id);
    if (utterance === undefined) return;
    if (order.do === "audio") this.#add(utterance, order.pcm);
    if (order.do === "end") utterance.end();
    if (order.do === "pause") utterance.paused = true;
    if (order.do === "resume") utterance.paused = false;
    if (order.do === "flush") utterance.flushed = true;
  }

  /** @param {Utterance} utterance @param {Int16Array} pcm */
  #add(utterance, pcm) {
    const seconds = this.#queue.reduce((sum, { waiting, rate }) => sum + waiting / rate, 0);
    if (seconds + pcm.length / utterance.rate <= QUEUE_S) utterance.add(pcm);
    else this.port.postMessage({ event: "dropped", id: utterance.id, samples: pcm.length });
  }

  /** @param {Float32Array[][]} _inputs @param {Float32Array[][]} outputs */
  process(_inputs, outputs) {
    const output = outputs[0][0];
    let at = 0;
    while (at < output.length && this.#queue.length > 0) {
      const utterance = this.#queue[0];
      const next = this.#play(utterance, output, at);
      if (this.#queue[0] === utterance) break;
      at = next;
    }
    for (let channel = 1; channel < outputs[0].length; channel++) outputs[0][channel].set(output);
    return this.#open;
  }

  /**
   * Plays of the first utterance until the quantum is full or nothing more is to be had of it now; takes it out of the
   * queue when it is over.
   * @param {Utterance} utterance
   * @param {Float32Array} output
   * @param {number} at
   * @returns {number} how far the quantum is filled
   */
  #play(utterance, output, at) {
    const wanted = output.length - at;
    if (utterance.flushed || utterance.paused) {
      const step = utterance.flushed ? 1 / (FLUSH_FADE_S * sampleRate) : 1 / FADE;
      const fade = utterance.started ? Math.min(wanted, Math.ceil(this.#gain / step)) : 0;
      const end = at + utterance.render(output, at, at + utterance.prepare(fade));
      if (this.#gain > 0 && end > at) this.#fade(output, at, end, -step);
      if (end - at < fade) this.#gain = 0;
      if (this.#gain === 0) {
        if (utterance.flushed) this.#over(utterance, "flushed");
        else if (end > at) this.#tell(utterance, "paused");
      }
      return end;
    }
    // One quantum is kept in hand, to fade with when no more comes.
    const needed = utterance.starving ? Math.max(wanted + FADE, Math.ceil(CUSHION_S * sampleRate)) : wanted + FADE;
    const ready = utterance.prepare(needed);
    const scarce = ready < needed && !utterance.ended;
    if (scarce && utterance.starving) return at;
    const end = at + utterance.render(output, at, at + Math.min(wanted, ready));
    if (end > at && !utterance.started) {
      utterance.started = true;
      this.#tell(utterance, "started");
    }
    if (scarce) {
      utterance.starving = true;
      if (end > at) this.#fade(output, at, end, -this.#gain / (end - at));
      this.#gain = 0;
    } else {
      utterance.starving = false;
      this.#fade(output, at, end, 1 / FADE);
    }
    if (utterance.ended && end < output.length) this.#over(utterance, "finished");
    else if (currentTime >= this.#reportAt) this.#tell(utterance, "progress");
    return end;
  }

  /** @param {Float32Array} output @param {number} start @param {number} end @param {number} step per sample */
  #fade(output, start, end, step) {
    for (let index = start; index < end; index++) {
      this.#gain = Math.max(0, Math.min(1, this.#gain + step));
      output[index] *= this.#gain;
    }
    if (this.#gain < 1e-6) this.#gain = 0;
  }

  /** @param {Utterance} utterance @param {string} event */
  #over(utterance, event) {
    this.#queue.shift();
    this.#gain = 0;
    this.#tell(utterance, event);
  }

  /** @param {Utterance} utterance @param {string} event */
  #tell(utterance, event) {
    this.#reportAt = currentTime + REPORT_S;
    this.port.postMessage({ event, id: utterance.id, played: utterance.played });
  }
}

registerProcessor("voicetrio-playback", Playback);
