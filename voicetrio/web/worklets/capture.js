/**
 * The microphone's end of the audio graph: 16 kHz, 16-bit, mono, in frames of 20 ms.
 *
 * It runs in the audio thread, so nothing that the page does costs a sample. Each frame is handed over, not copied.
 */

import { Resampler } from "./resampler.js";

/** Samples per second that recognisers want. */
const RATE = 16_000;

/** Samples per frame, 20 ms: what waits for a frame to be full comes on top of every answer. */
const FRAME = 320;

class Capture extends AudioWorkletProcessor {
  #resampler = new Resampler(sampleRate, RATE);
  #output = new Float32Array(1024);
  #silence = new Float32Array(128);
  #frame = new Int16Array(FRAME);
  #filled = 0;
  #open = true;

  constructor() {
    super();
    this.port.onmessage = () => {
      this.#open = false;
    };
  }

  /** @param {Float32Array[][]} inputs */
  process(inputs) {
    if (!this.#open) return false;
    // A source that has nothing to give has no channel. Time goes on all the same.
    this.#resampler.push(inputs[0][0] ?? this.#silence);
    const count = this.#resampler.pull(this.#output);
    for (let index = 0; index < count; index++) {
      const sample = Math.round(this.#output[index] * 32_768);
      this.#frame[this.#filled++] = Math.max(-32_768, Math.min(32_767, sample));
      if (this.#filled === FRAME) {
        this.port.postMessage(this.#frame, [this.#frame.buffer]);
        this.#frame = new Int16Array(FRAME);
        this.#filled = 0;
      }
    }
    return true;
  }
}

registerProcessor("voicetrio-capture", Capture);
