/** How loud it is at one place of an audio graph. */

/** Seconds that a level is about: as long as a syllable's core. */
const WINDOW_S = 0.1;

/** Decibels below full scale that count as nothing. */
const FLOOR_DB = 60;

export class LevelMeter {
  #samples;

  /** @param {AudioContext} context */
  constructor(context) {
    /** To be connected; it passes on what it gets. */
    this.node = context.createAnalyser();
    this.node.fftSize = 2 ** Math.round(Math.log2(WINDOW_S * context.sampleRate));
    this.#samples = new Float32Array(this.node.fftSize);
  }

  /** The root mean square of the last `WINDOW_S`, 0..1. */
  get rms() {
    this.node.getFloatTimeDomainData(this.#samples);
    let sum = 0;
    for (const sample of this.#samples) sum += sample * sample;
    return Math.sqrt(sum / this.#samples.length);
  }

  close() {
    this.node.disconnect();
  }
}

/**
 * Where the hand of a meter stands, 0..1: in decibels, as ears have it.
 * @param {number} rms
 */
export function meterPosition(rms) {
  return rms <= 0 ? 0 : Math.max(0, Math.min(1, (20 * Math.log10(rms)) / FLOOR_DB + 1));
}
