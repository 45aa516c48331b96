/** The microphone: asked for, cut into frames of 20 ms at 16 kHz, and given back. */

import { CallError, microphoneError } from "./errors.js";
import { LevelMeter } from "./level_meter.js";

/** Echo must be cancelled by us: the server listens while it speaks. */
export const CONSTRAINTS = { echoCancellation: true, noiseSuppression: true, autoGainControl: true, channelCount: 1 };

/**
 * Ask for the microphone. Throws a `CallError` in plain words if there is none to be had.
 * @returns {Promise<MediaStream>}
 */
export async function askForMicrophone() {
  if (!isSecureContext) throw new CallError("insecure_page");
  if (navigator.mediaDevices === undefined || typeof AudioWorkletNode === "undefined") {
    throw new CallError("browser_too_old");
  }
  try {
    return await navigator.mediaDevices.getUserMedia({ audio: CONSTRAINTS, video: false });
  } catch (error) {
    throw microphoneError(error);
  }
}

export class Microphone {
  #stream;
  #source;
  #capture;

  /**
   * The worklet `capture.js` must have been added to the context. The stream is ours from now on.
   * @param {AudioContext} context
   * @param {MediaStream} stream
   * @param {{onFrame: (frame: Int16Array) => void, onLost: () => void}} events
   */
  constructor(context, stream, { onFrame, onLost }) {
    this.#stream = stream;
    this.#source = context.createMediaStreamSource(stream);
    this.#capture = new AudioWorkletNode(context, "voicetrio-capture", {
      numberOfInputs: 1,
      numberOfOutputs: 0,
      channelCount: 1,
      channelCountMode: "explicit",
    });
    this.#capture.port.onmessage = ({ data }) => onFrame(data);
    this.meter = new LevelMeter(context);
    this.#source.connect(this.#capture);
    this.#source.connect(this.meter.node);
    for (const track of stream.getAudioTracks()) track.onended = onLost;
  }

  /**
   * Muted, it goes on sending: silence, which is what the browser gives for a track that is switched off. So nothing that
   * is said can leave, and yet the session's clock goes on, what was said before gets its end, and no timeout and no
   * proxy takes us for dead. It costs 32 kB/s.
   * @param {boolean} muted
   */
  set muted(muted) {
    for (const track of this.#stream.getAudioTracks()) track.enabled = !muted;
  }

  /** The microphone is given back; the browser's red light goes out. Safe to call twice. */
  close() {
    for (const track of this.#stream.getTracks()) {
      track.onended = null;
      track.stop();
    }
    this.#capture.port.onmessage = null;
    this.#capture.port.postMessage("close");
    this.#source.disconnect();
    this.#capture.disconnect();
    this.meter.close();
  }
}
