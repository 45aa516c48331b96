/**
 * A call over voicetrio's own WebSocket: microphone, socket and player, and what each has to know of the others.
 *
 *   microphone ──> Uplink ──> ResumableSocket ──> Player ──> ear
 *                                  │  └──> CallState, Conversation
 *                                  └── playback.progress <── Player
 */

import { CallState } from "./call_state.js";
import { Conversation } from "./conversation.js";
import { serverTrouble, trouble } from "./errors.js";
import { NoPlayer } from "./no_player.js";
import { Player } from "./player.js";
import { Microphone } from "./microphone.js";
import { ResumableSocket } from "./resumable_socket.js";
import { Uplink } from "./uplink.js";

/** Samples per second of an utterance that does not tell: the protocol's default. */
const OUTPUT_RATE = 24_000;

/** Ids as a session can have them. */
const SESSION_ID = /^[A-Za-z0-9._-]{1,128}$/;

/**
 * What another page needs to go on with a call.
 * @typedef {object} SavedCall
 * @property {import("./resumable_socket.js").Resumption} resumption
 * @property {{requestId: string, samples: number} | null} heard
 * @property {ReturnType<CallState["save"]>} state
 * @property {ReturnType<Conversation["save"]>} conversation
 * @property {boolean} hadMicrophone
 */

/**
 * What a call tells. All but `onEnd` may be called any number of times.
 * @typedef {object} CallEvents
 * @property {(session: {sessionId: string, room: string | null, transport: string}) => void} onSession
 * @property {(message: Record<string, any>) => void} onMessage
 * @property {(lines: import("./conversation.js").Line[]) => void} onLines
 * @property {(playback: {requestId: string, event: string, heardMs: number, reason?: string}) => void} onPlayback
 * @property {(trouble: import("./errors.js").Trouble) => void} onTrouble something that the call survives
 * @property {(code: string) => void} onMended that trouble is over
 * @property {(end: {error: boolean, code: string, text: string}) => void} onEnd once
 */

export class NativeCall {
  #events;
  #configuration;
  #conversation = new Conversation();
  #state;
  #context;
  #player;
  /** @type {Microphone | null} */ #microphone = null;
  #socket;
  #uplink;
  #muted = false;
  #ready = false;
  #nameRefused = false;
  /** Where another page has stopped, until audio comes. @type {{requestId: string, samples: number} | null} */ #heardBefore;
  #pings = 0;
  /** Typed messages that may not have arrived yet, by the ping that was sent behind each. @type {Set<string>} */
  #unconfirmed = new Set();
  #over = false;
  /** What the server has not been told yet. @type {Map<string, number>} */ #unreported = new Map();

  /**
   * @param {AudioContext | null} context with the worklets; null: this page cannot sound, and answers are read
   * @param {MediaStream | null} stream ours from now on; null: without a microphone
   * @param {{url: string, sessionId: string, configuration: Record<string, unknown>, saved: SavedCall | null}} options
   * @param {CallEvents} events
   */
  constructor(context, stream, { url, sessionId, configuration, saved }, events) {
    this.#events = events;
    this.#context = context;
    this.#configuration = context === null ? { ...configuration, speak_replies: false } : configuration;
    this.#state = new CallState(configuration.agent === "on");
    this.#state.microphone = "none";
    this.#heardBefore = saved?.heard ?? null;
    if (saved !== null) {
      this.#state.restore(saved.state);
      this.#conversation.restore(saved.conversation);
      this.#state.connected = this.#state.cut = true;
    }
    this.#player = context === null ? new NoPlayer() : this.#makePlayer(context);
    const ways = {
      onCreated: (/** @type {Record<string, any>} */ message) => this.#begin(message),
      onMessage: (/** @type {Record<string, any>} */ message) => this.#take(message),
      onAudio: (/** @type {ArrayBuffer} */ data) => this.#player.feed(data),
      onPong: (/** @type {string} */ id) => void this.#unconfirmed.delete(id),
      position: () => this.#player.position ?? this.#heardBefore,
      onCut: () => {
        this.#state.cut = true;
      },
      onEnd: (/** @type {import("./calling.js").End} */ end) => this.#end(end),
    };
    this.#socket = new ResumableSocket(`${url}/ws/${encodeURIComponent(sessionId)}`, ways, saved?.resumption);
    this.#uplink = new Uplink(this.#socket);
    if (stream !== null) this.listen(stream);
  }

  get state() {
    return this.#state.at(performance.now());
  }

  get microphone() {
    return this.#state.microphone;
  }

  get levels() {
    return { microphone: this.#microphone?.meter.rms ?? 0, speaker: this.#player.level };
  }

  /** @param {boolean} muted */
  set muted(muted) {
    this.#muted = muted;
    if (this.#microphone === null) return;
    this.#microphone.muted = muted;
    this.#state.microphone = muted ? "muted" : "on";
  }

  /** Hear the caller from now on. @param {MediaStream} stream ours from now on */
  listen(stream) {
    if (this.#over || this.#context === null || this.#microphone !== null) {
      for (const track of stream.getTracks()) track.stop();
      return;
    }
    this.#microphone = new Microphone(this.#context, stream, {
      onFrame: (frame) => {
        if (this.#ready) this.#uplink.push(frame); // the session's clock begins when it can listen
      },
      onLost: () => this.#loseMicrophone(),
    });
    this.muted = this.#muted;
  }

  /** What another page needs to go on; null: it cannot. @returns {SavedCall | null} */
  save() {
    const { resumption } = this.#socket;
    if (!this.#ready || resumption === null) return null;
    return {
      resumption,
      heard: this.#player.heard ?? this.#heardBefore,
      state: this.#state.save(),
      conversation: this.#conversation.save(),
      hadMicrophone: this.#microphone !== null,
    };
  }

  /**
   * A typed message to the agent. It interrupts, as speech does: nobody types into an answer to hear the rest of it first.
   * Returns whether it was sent.
   * @param {string} text
   */
  send(text) {
    if (!this.#ready || !this.#socket.open) return false;
    this.stop();
    this.#socket.send({ type: "user_message", role: "user", content: text });
    const ping = `typed-${++this.#pings}`;
    this.#unconfirmed.add(ping);
    this.#socket.ping(ping);
    this.#state.typed();
    return true;
  }

  /** Stop the answer: what sounds and what is still being thought of. */
  stop() {
    if (!this.#state.answering || !this.#socket.send({ type: "turn.cancel" })) return;
    this.#player.pauseAll(); // at once, and not after the way to the server and back
  }

  /** Hang up: nothing is sent or sounds any more; the last words may still become text. `onEnd` follows. */
  close() {
    this.#microphone?.close();
    this.#player.flushAll();
    this.#socket.close();
  }

  /** Leave the session to the page that comes after this one. `onEnd` follows. */
  leave() {
    this.#socket.leave();
  }

  /** The end, at once. `onEnd` follows if there was none yet. */
  abort() {
    this.#socket.abort();
  }

  /** @param {AudioContext} context */
  #makePlayer(context) {
    return new Player(context, {
      onHeard: (requestId, ms) => this.#report(requestId, ms),
      onStarted: (requestId) => this.#events.onPlayback({ requestId, event: "started", heardMs: 0 }),
      onChange: () => this.#state.sound(this.#player.sound, performance.now()),
      onDropped: () => this.#events.onTrouble(trouble("no_speech")),
    });
  }

  /** The call goes on: by typing, or with another one. */
  #loseMicrophone() {
    this.#microphone?.close();
    this.#microphone = null;
    this.#state.microphone = "none";
    this.#events.onTrouble(trouble("microphone_lost"));
  }

  /** @param {Record<string, any>} created */
  #begin(created) {
    this.#events.onMessage(created);
    this.#events.onSession({ sessionId: created.session_id, room: null, transport: "websocket" });
    if (created.resumed === true) {
      this.#state.cut = false;
      this.#ready = this.#state.connected = true; // it may have been another page that has begun it
      if (this.#unconfirmed.size > 0) {
        this.#unconfirmed.clear();
        this.#state.forgetTyped();
        this.#events.onTrouble(trouble("message_uncertain"));
      }
      if (this.#uplink.goOn(Number(created.next_audio_ms))) this.#events.onTrouble(trouble("audio_lost"));
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
      this.#uplink.hold(Number(message.delay_ms ?? 0));
    } else if (message.type === "session.frames_dropped") {
      this.#events.onTrouble(trouble("audio_lost"));
    } else if (message.type === "session_info") {
      this.#rename(message.session_id);
    } else if (message.type === "error" && !this.#ready && message.recoverable !== false) {
      this.#end({ error: true, ...trouble("bad_settings") }); // it is about what we have asked for
      this.#socket.abort();
    } else if (message.type === "error") {
      if (message.code === "agent_bad_session_id") this.#nameRefused = true;
      if (message.code === "unknown_type") this.#player.resumeAll(); // a server that is too old to stop an answer
      const what = serverTrouble(String(message.code));
      if (what !== null) this.#events.onTrouble(what);
    }
  }

  /** The agent has named the dialog. The server has told before if it refuses the name. @param {unknown} sessionId */
  #rename(sessionId) {
    const refused = this.#nameRefused || typeof sessionId !== "string" || !SESSION_ID.test(sessionId);
    this.#nameRefused = false;
    if (!refused) this.#events.onSession({ sessionId, room: null, transport: "websocket" });
  }

  /** @param {Record<string, any>} message */
  #play(message) {
    const requestId = String(message.request_id);
    switch (message.type) {
      case "tts.speaking_start":
        this.#player.begin(requestId, Number(message.sample_rate) || OUTPUT_RATE);
        break;
      case "tts.speaking_resumed":
        this.#player.goOn(requestId, Number(message.sample_rate) || OUTPUT_RATE, Number(message.start_sample) || 0);
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

  /** @param {string} requestId @param {string} event @param {Record<string, any>} message */
  #settled(requestId, event, message) {
    this.#unreported.delete(requestId);
    const reason = message.reason === undefined ? {} : { reason: String(message.reason) };
    this.#events.onPlayback({ requestId, event, heardMs: Number(message.heard_ms), ...reason });
  }

  /** @param {string} requestId @param {number} ms */
  #report(requestId, ms) {
    const sent = this.#socket.send({ type: "playback.progress", request_id: requestId, played_ms: ms });
    if (sent) this.#unreported.delete(requestId);
    else this.#unreported.set(requestId, ms);
    const lines = this.#conversation.heardUntil(requestId, ms);
    if (lines.length > 0) this.#events.onLines(lines);
  }

  /** @param {{error: boolean, code: string, text: string}} end */
  #end(end) {
    if (this.#over) return;
    this.#over = true;
    this.#microphone?.close();
    this.#player.close();
    this.#events.onEnd(end);
  }
}
