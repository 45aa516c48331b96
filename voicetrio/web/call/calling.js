/** From a click to a call: permission, audio graph, and the transport that was asked for. */

import { CallError, trouble } from "./errors.js";
import { LiveKitCall } from "./livekit_call.js";
import { askForMicrophone } from "./microphone.js";
import { NativeCall } from "./native_call.js";

/** Our own files beside this one. */
const WORKLETS = ["../worklets/capture.js", "../worklets/playback.js"];

/** Milliseconds for a context to run, before the browser is taken to wait for the person's permission. */
const SOUND_MS = 1000;

/** @typedef {{error: boolean, code: string, text: string}} End */

/**
 * @typedef {object} CallSettings
 * @property {string} server its origin, http(s)://
 * @property {string} sessionId
 * @property {string | null} livekitUrl null: the native protocol
 * @property {string} tokenUrl
 * @property {string} room
 * @property {Record<string, unknown>} configuration of the native session
 * @property {boolean} microphone whether to be heard; without, the call is typed
 * @property {import("./native_call.js").SavedCall | null} saved a call of the page before, to go on with
 */

/**
 * One call, and its audio context, from the click on. `onEnd` is called once, and then nothing of it is left.
 */
export class Call {
  /** @type {AudioContext | null} */ #context = null;
  /** @type {NativeCall | LiveKitCall | null} */ #transport = null;
  #muted = false;
  /** Whether it was begun on another page. */ #goesOn;
  #over = false;
  #soundTimer = 0;
  #allowSound = () => void this.#context?.resume();
  #events;
  #onEnd;

  /**
   * To be called from a click or a key, or else the browser may keep the sound off.
   * @param {CallSettings} settings
   * @param {import("./native_call.js").CallEvents} events
   */
  constructor(settings, events) {
    this.#onEnd = events.onEnd;
    this.#goesOn = settings.saved !== null;
    this.#events = { ...events, onEnd: (/** @type {End} */ end) => this.#end(end) };
    this.#start(settings).catch((error) => {
      const code = error instanceof CallError ? error.code : "browser_too_old";
      this.#end({ error: true, ...trouble(code) });
    });
  }

  /** @returns {import("./states.js").State} */
  get state() {
    return this.#transport?.state ?? (this.#goesOn ? "reconnecting" : "connecting");
  }

  get levels() {
    return this.#over ? { microphone: 0, speaker: 0 } : (this.#transport?.levels ?? { microphone: 0, speaker: 0 });
  }

  get muted() {
    return this.#muted;
  }

  set muted(muted) {
    this.#muted = muted;
    if (this.#transport !== null) this.#transport.muted = muted;
  }

  /** @returns {import("./states.js").MicrophoneUse} */
  get microphone() {
    return this.#transport?.microphone ?? (this.#muted ? "muted" : "on");
  }

  /** Returns whether it was sent. @param {string} text */
  send(text) {
    return this.#transport?.send(text) ?? false;
  }

  /** Stop the answer. */
  stop() {
    this.#transport?.stop();
  }

  /** Ask for the microphone of a call that has none. What goes wrong is told, and the call goes on. */
  async useMicrophone() {
    try {
      const stream = await askForMicrophone();
      if (this.#transport === null) stop(stream);
      else this.#transport.listen(stream);
    } catch (error) {
      if (!this.#over) this.#events.onTrouble(trouble(error instanceof CallError ? error.code : "microphone_busy"));
    }
  }

  /** What another page needs to go on; null: it cannot. */
  save() {
    return this.#transport instanceof NativeCall ? this.#transport.save() : null;
  }

  /** Leave the session to the page that comes after this one. */
  leave() {
    if (this.#transport instanceof NativeCall) this.#transport.leave();
    else this.abort();
  }

  /** Hang up, in order. */
  close() {
    if (this.#transport === null) this.#end({ error: false, code: "ended", text: "" });
    else this.#transport.close();
  }

  /** The end, at once: the page or the element is going away. */
  abort() {
    this.#transport?.abort();
    this.#end({ error: false, code: "ended", text: "" });
  }

  /** @param {CallSettings} settings */
  async #start(settings) {
    const { livekitUrl, tokenUrl, room, server, sessionId, configuration, microphone, saved } = settings;
    const canSound = typeof AudioContext !== "undefined" && isSecureContext; // worklets are for secure pages only
    if (!canSound && microphone && saved === null) throw new CallError(isSecureContext ? "browser_too_old" : "insecure_page");
    // Before anything is waited for: it must happen in the click.
    const context = canSound ? new AudioContext({ latencyHint: "interactive" }) : null;
    this.#context = context;
    if (context !== null) this.#watchSound(context);
    // A call that goes on waits for nobody's permission: it has little time.
    const asked = microphone && saved === null ? askForMicrophone() : Promise.resolve(null);
    const [stream] = await allOrNothing(asked, context === null ? Promise.resolve() : loadWorklets(context));
    if (this.#over) {
      if (stream !== null) stop(stream);
      return;
    }
    this.#transport =
      livekitUrl === null
        ? new NativeCall(context, stream, { url: webSocketOrigin(server), sessionId, configuration, saved }, this.#events)
        : new LiveKitCall(context, stream, { livekitUrl, tokenUrl, sessionId, room }, this.#events);
    this.#transport.muted = this.#muted;
    if (microphone && saved !== null) await this.useMicrophone();
  }

  /** @param {AudioContext} context */
  #watchSound(context) {
    void context.resume();
    this.#soundTimer = setTimeout(() => {
      if (context.state !== "suspended") return;
      this.#events.onTrouble(trouble("sound_blocked"));
      context.onstatechange = () => context.state === "running" && this.#events.onMended("sound_blocked");
      for (const kind of ["pointerdown", "keydown"]) addEventListener(kind, this.#allowSound);
    }, SOUND_MS);
  }

  /** @param {End} end */
  #end(end) {
    if (this.#over) return;
    this.#over = true;
    clearTimeout(this.#soundTimer);
    for (const kind of ["pointerdown", "keydown"]) removeEventListener(kind, this.#allowSound);
    this.#transport = null;
    void this.#context?.close();
    this.#context = null;
    this.#onEnd(end);
  }
}

/** @param {AudioContext} context */
async function loadWorklets(context) {
  if (context.audioWorklet === undefined) throw new CallError("browser_too_old");
  try {
    await Promise.all(WORKLETS.map((path) => context.audioWorklet.addModule(new URL(path, import.meta.url).href)));
  } catch (error) {
    throw new CallError("unreachable", error); // they come from the same server
  }
}

/**
 * Both; if one fails, what the other has brought is given back.
 * @param {Promise<MediaStream | null>} microphone
 * @param {Promise<void>} worklets
 */
async function allOrNothing(microphone, worklets) {
  const results = await Promise.allSettled([microphone, worklets]);
  const failed = results.find((result) => result.status === "rejected");
  if (failed === undefined) return [/** @type {PromiseFulfilledResult<MediaStream | null>} */ (results[0]).value];
  if (results[0].status === "fulfilled" && results[0].value !== null) stop(results[0].value);
  throw failed.reason;
}

/** @param {MediaStream} stream */
function stop(stream) {
  for (const track of stream.getTracks()) track.stop();
}

/** @param {string} server http(s):// or ws(s):// */
function webSocketOrigin(server) {
  return server.replace(/^http/, "ws").replace(/\/+$/, "");
}
