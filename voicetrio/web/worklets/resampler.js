/**
 * Changes the sample rate of a stream: a polyphase filter with a windowed sinc, for any two whole rates.
 *
 * What comes in may be cut anywhere: the output is the same to the last bit, so there are no clicks at block borders.
 * The filter looks `half` samples ahead, which is all of its delay: 2 ms from 48 to 16 kHz.
 */

/** Zero crossings of the sinc on each side, of the lower rate. 32: the transition takes 1.25 kHz of 16. */
const CROSSINGS = 32;

/** Kaiser window for 80 dB: what is folded back is far below the noise of any microphone. */
const BETA = 7.857;

/** Of the lower rate's half, where the response is down to a half. The stop band begins at exactly that half. */
const CUTOFF = 0.922;

export class Resampler {
  /** @type {Float32Array} */ #table;
  /** @type {Float32Array} Input from the sample `#origin` on. */ #input;
  #filled = 0;
  #origin;
  #base = 0;
  #phase = 0;
  #pushed = 0;
  #ended = false;
  #up;
  #down;
  #half;
  #stride;

  /**
   * @param {number} fromRate Hertz
   * @param {number} toRate Hertz
   */
  constructor(fromRate, toRate) {
    const divisor = greatestCommonDivisor(Math.round(fromRate), Math.round(toRate));
    this.#up = Math.round(toRate) / divisor;
    this.#down = Math.round(fromRate) / divisor;
    const ratio = Math.min(1, this.#up / this.#down);
    this.#half = Math.ceil(CROSSINGS / ratio);
    this.#stride = 2 * this.#half;
    this.#table = filterTable(this.#up, this.#half, this.#up === this.#down ? 1 : ratio * CUTOFF);
    this.#input = new Float32Array(4096 + this.#stride);
    // Silence came before the first sample.
    this.#origin = 1 - this.#half;
    this.#filled = this.#half - 1;
  }

  /** How many samples of input the output so far stands for; never more than there were. */
  get consumed() {
    return Math.min(this.#base, this.#pushed);
  }

  /** How many samples of output can be pulled now. */
  get available() {
    const last = this.#ended ? this.#pushed : this.#pushed - this.#half;
    const distance = (last - this.#base) * this.#up - this.#phase;
    return distance <= 0 ? 0 : Math.ceil(distance / this.#down);
  }

  /** @param {Float32Array} samples */
  push(samples) {
    this.#append(samples);
    this.#pushed += samples.length;
  }

  /** Nothing more will come: the rest is computed as if silence followed. */
  end() {
    if (this.#ended) return;
    this.#append(new Float32Array(this.#half));
    this.#ended = true;
  }

  /**
   * Writes what is available, at most up to `end`.
   * @param {Float32Array} output
   * @param {number} [start]
   * @param {number} [end]
   * @returns {number} how many samples were written
   */
  pull(output, start = 0, end = output.length) {
    const count = Math.min(end - start, this.available);
    const input = this.#input;
    const table = this.#table;
    const stride = this.#stride;
    for (let index = 0; index < count; index++) {
      let at = this.#base - this.#half + 1 - this.#origin;
      let row = this.#phase * stride;
      let sum = 0;
      for (let tap = 0; tap < stride; tap++) sum += input[at++] * table[row++];
      output[start + index] = sum;
      this.#phase += this.#down;
      const steps = Math.floor(this.#phase / this.#up);
      this.#base += steps;
      this.#phase -= steps * this.#up;
    }
    return count;
  }

  /** @param {Float32Array} samples */
  #append(samples) {
    const needed = this.#filled + samples.length;
    if (needed > this.#input.length) {
      const unused = Math.min(this.#filled, this.#base - this.#half + 1 - this.#origin);
      this.#input.copyWithin(0, unused, this.#filled);
      this.#origin += unused;
      this.#filled -= unused;
      if (this.#filled + samples.length > this.#input.length) {
        const larger = new Float32Array(2 * (this.#filled + samples.length));
        larger.set(this.#input.subarray(0, this.#filled));
        this.#input = larger;
      }
    }
    this.#input.set(samples, this.#filled);
    this.#filled += samples.length;
  }
}

/**
 * One row of taps for each place between two samples of input that an output may have.
 * @param {number} phases
 * @param {number} half taps on each side
 * @param {number} cutoff 0..1 of the input's half rate
 */
function filterTable(phases, half, cutoff) {
  const table = new Float32Array(phases * 2 * half);
  const whole = bessel(BETA);
  for (let phase = 0; phase < phases; phase++) {
    const row = new Float64Array(2 * half);
    let sum = 0;
    for (let tap = 0; tap < row.length; tap++) {
      const distance = tap - half + 1 - phase / phases;
      const position = distance / half;
      const angle = Math.PI * distance * cutoff;
      const sinc = Math.abs(angle) < 1e-9 ? 1 : Math.sin(angle) / angle;
      row[tap] = sinc * (bessel(BETA * Math.sqrt(Math.max(0, 1 - position * position))) / whole);
      sum += row[tap];
    }
    // Each row by itself: a constant stays one, without a ripple between phases.
    for (let tap = 0; tap < row.length; tap++) table[phase * row.length + tap] = row[tap] / sum;
  }
  return table;
}

/** The modified Bessel function of the first kind and order 0. @param {number} x */
function bessel(x) {
  let sum = 1;
  let term = 1;
  for (let k = 1; term > sum * 1e-12; k++) {
    term *= (x / (2 * k)) ** 2;
    sum += term;
  }
  return sum;
}

/** @param {number} a @param {number} b @returns {number} */
function greatestCommonDivisor(a, b) {
  return b === 0 ? a : greatestCommonDivisor(b, a % b);
}
