/**
 * A call over voicetrio's own WebSocket: microphone, socket and player, and what each has to know of the others.
 *
 *   microphone ──> AudioBacklog ──> ResumableSocket ──> Player ──> ear
 *                                        │  └──> CallState, Conversation
 *                                        └── playback.progress <── Player
 */

import { AudioBacklog } from "./audio_backlog.js";
import { CallState } from "./call_state.js";
import { Conversation } from "./conversation.js";
import { serverTrouble, trouble } from "./errors.js";
import { Player } from "./player.js";
import { Microphone } from "./microphone.js";
import { ResumableSocket } from "./resumable_socket.js";

/** Samples per second of an utterance that does not tell: the protocol's default. */
const OUTPUT_RATE = 24_000;

/** Samples per millisecond of the session's audio clock. */
const PER_MS = 16;

/** Frames that are sent for each that comes in, while what was held back is caught up with: the server allows 1.2. */
const CATCH_UP = 1.15;

/**
 * What a call tells. All but `onEnd` may be called any number of times.
 * @typedef {object} CallEvents
 * @property {(session: {sessionId: string, room: string | null, transport: string}) => void} onSession
 * @property {(message: Record<string, any>) => void} onMessage
 * @property {(lines: import("./conversation.js").Line[]) => void} onLines
 * @property {(playback: {requestId: string, event: string, heardMs: number}) => void} onPlayback
 * @property {(trouble: import("./errors.js").Trouble) => void} onTrouble something that the call survives
 * @property {(end: {error: boolean, code: string, text: string}) => void} onEnd once
 */

export class NativeCall {
  #events;
  #configuration;
  #backlog = new AudioBacklog();
  #conversation = new Conversation();
  #state;
  #player;
  #microphone;
  #socket;
  #ready = false;
  #over = false;
  /** What the server has not been told yet. @type {Map<string, number>} */ #unreported = new Map();
  #heldUntil = 0;
  /** Whether audio was held back, so that it must not come at once. */ #paced = false;
  #credit = 0;

  /**
   * @param {AudioContext} context with the worklets
   * @param {MediaStream} stream ours from now on
   * @param {{url: string, sessionId: string, configuration: Record<string, unknown>}} options
   * @param {CallEvents} events
   */
  constructor(context, stream, { url, sessionId, configuration }, events) {
    this.#events = events;
    this.#configuration = configuration;
    this.#state = new CallState(configuration.agent === "on");
    this.#player = new Player(context, {
      onHeard: (requestId, ms) => this.#report(requestId, ms),
      onStarted: (requestId) => events.onPlayback({ requestId, event: "started", heardMs: 0 }),
      onChange: () => {
        this.#state.playing = this.#player.playing;
      },
      onDropped: () => events.onTrouble(trouble("no_speech")),
    });
    this.#microphone = new Microphone(context, stream, {
      onFrame: (frame) => this.#hear(frame),
      onLost: () => {
        this.#end({ error: true, ...trouble("microphone_lost") });
        this.#socket.abort();
      },
    });
    this.#socket = new ResumableSocket(`${url}/ws/${encodeURIComponent(sessionId)}`, {
      onCreated: (message) => this.#begin(message),
      onMessage: (message) => this.#take(message),
      onAudio: (data) => this.#player.feed(data),
      onCut: () => {
        this.#state.cut = true;
      },
      onEnd: (end) => this.#end(end),
    });
  }

  get state() {
    return this.#state.at(performance.now());
  }

  get levels() {
    return { microphone: this.#microphone.meter.rms, speaker: this.#player.meter.rms };
  }

  /** @param {boolean} muted */
  set muted(muted) {
    this.#microphone.muted = muted;
  }

  /** A typed message to the agent. Returns whether it was sent. @param {string} text */
  send(text) {
    return this.#ready && this.#socket.send({ type: "user_message", role: "user", content: text });
  }

  /** Hang up: nothing is sent or sounds any more; the last words may still become text. `onEnd` follows. */
  close() {
    this.#microphone.close();
    this.#player.flushAll();
    this.#socket.close();
  }

  /** The end, at once. `onEnd` follows if there was none yet. */
  abort() {
    this.#socket.abort();
  }

  /** @param {Record<string, any>} created */
  #begin(created) {
    this.#events.onMessage(created);
    this.#events.onSession({ sessionId: created.session_id, room: null, transport: "websocket" });
    if (created.resumed === true) {
      this.#state.cut = false;
      const gone = this.#backlog.goTo(Number(created.next_audio_ms) * PER_MS);
      if (gone > 0) this.#events.onTrouble(trouble("audio_lost"));
      this.#paced = false; // what was spoken meanwhile may come at once
      for (const [requestId, ms] of this.#unreported) this.#report(requestId, ms);
    } else {
      this.#socket.send({ type: "session.configure", ...this.#configuration });
    }
  }

  /** @param {Record<string, any>} message */
  #take(message) {
    this.#events.onMessage(message);
    this.#state.note(message, performance.now());
    this.#play(message);
    const lines = this.#conversation.note(message);
    if (lines.length > 0) this.#events.onLines(lines);
    if (message.type === "session.configured") {
      this.#ready = true;
      this.#state.connected = true;
    } else if (message.type === "session.rate_limit") {
      this.#heldUntil = performance.now() + Number(message.delay_ms ?? 0);
      this.#paced = true;
    } else if (message.type === "session.frames_dropped") {
      this.#events.onTrouble(trouble("audio_lost"));
    } else if (message.type === "session_info" && typeof message.session_id === "string") {
      this.#events.onSession({ sessionId: message.session_id, room: null, transport: "websocket" });
    } else if (message.type === "error" && !this.#ready && message.recoverable !== false) {
      this.#end({ error: true, ...trouble("bad_settings") }); // it is about what we have asked for
      this.#socket.abort();
    } else if (message.type === "error") {
      const what = serverTrouble(String(message.code));
      if (what !== null) this.#events.onTrouble(what);
    }
  }

  /** @param {Record<string, any>} message */
  #play(message) {
    const requestId = String(message.request_id);
    switch (message.type) {
      case "tts.speaking_start":
        this.#player.begin(requestId, Number(message.sample_rate) || OUTPUT_RATE);
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
        this.#player.end(requestId);
        this.#player.resume(requestId);
        this.#settled(requestId, "completed", message);
        break;
      case "playback.interrupted":
        this.#player.flush(requestId);
        this.#settled(requestId, "interrupted", message);
        break;
    }
  }

  /** @param {string} requestId @param {string} event @param {Record<string, any>} message */
  #settled(requestId, event, message) {
    this.#unreported.delete(requestId);
    this.#events.onPlayback({ requestId, event, heardMs: Number(message.heard_ms) });
  }

  /** @param {string} requestId @param {number} ms */
  #report(requestId, ms) {
    const sent = this.#socket.send({ type: "playback.progress", request_id: requestId, played_ms: ms });
    if (sent) this.#unreported.delete(requestId);
    else this.#unreported.set(requestId, ms);
    const lines = this.#conversation.heardUntil(requestId, ms);
    if (lines.length > 0) this.#events.onLines(lines);
  }

  /** @param {Int16Array} frame */
  #hear(frame) {
    if (!this.#ready) return; // the session's clock begins when it can listen
    this.#backlog.push(frame);
    if (performance.now() < this.#heldUntil) return;
    this.#credit = this.#paced ? Math.min(10, this.#credit + CATCH_UP) : Infinity;
    while (this.#credit >= 1 && this.#socket.roomy) {
      const part = this.#backlog.next();
      if (part === null) {
        this.#paced = false;
        break;
      }
      this.#socket.sendAudio(part);
      this.#credit -= 1;
    }
    if (this.#credit === Infinity) this.#credit = 0;
  }

  /** @param {{error: boolean, code: string, text: string}} end */
  #end(end) {
    if (this.#over) return;
    this.#over = true;
    this.#microphone.close();
    this.#player.close();
    this.#events.onEnd(end);
  }
}
