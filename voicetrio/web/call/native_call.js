/**
 * A call over voicetrio's own WebSocket: microphone, socket and player, and what each has to know of the others.
 *
 *   microphone ──> Uplink ──> ResumableSocket ──> SpokenAnswers ──> ear
 *                                  │  └──> CallState, Conversation
 *                                  └── playback.progress <── SpokenAnswers
 */

import { CallState } from "./call_state.js";
import { Conversation } from "./conversation.js";
import { serverTrouble, trouble } from "./errors.js";
import { Microphone } from "./microphone.js";
import { ResumableSocket } from "./resumable_socket.js";
import { SpokenAnswers } from "./spoken_answers.js";
import { Uplink } from "./uplink.js";

/** Ids as a session can have them. */
const SESSION_ID = /^[A-Za-z0-9._-]{1,128}$/;

/**
 * What another page needs to go on with a call.
 * @typedef {object} SavedCall
 * @property {import("./resumable_socket.js").Resumption} resumption
 * @property {import("./spoken_answers.js").Position | null} heard
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
  #speech;
  /** @type {Microphone | null} */ #microphone = null;
  #socket;
  #uplink;
  #muted = false;
  #ready = false;
  #nameRefused = false;
  #pings = 0;
  /** Typed messages that may not have arrived yet, by the ping that was sent behind each. @type {Set<string>} */
  #unconfirmed = new Set();
  #over = false;

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
    if (saved !== null) {
      this.#state.restore(saved.state);
      this.#conversation.restore(saved.conversation);
      this.#state.connected = this.#state.cut = true;
    }
    this.#speech = new SpokenAnswers(context, (message) => this.#socket.send(message), saved?.heard ?? null, {
      onHeard: (requestId, ms) => this.#show(this.#conversation.heardUntil(requestId, ms)),
      onSound: () => this.#state.sound(this.#speech.sound, performance.now()),
      onPlayback: events.onPlayback,
      onTrouble: events.onTrouble,
    });
    const ways = {
      onCreated: (/** @type {Record<string, any>} */ message) => this.#begin(message),
      onMessage: (/** @type {Record<string, any>} */ message) => this.#take(message),
      onAudio: (/** @type {ArrayBuffer} */ data) => this.#speech.feed(data),
      onPong: (/** @type {string} */ id) => void this.#unconfirmed.delete(id),
      position: () => this.#speech.position,
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
    return { microphone: this.#microphone?.meter.rms ?? 0, speaker: this.#speech.level };
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
      heard: this.#speech.heard,
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
    this.#speech.pauseAll(); // at once, and not after the way to the server and back
  }

  /** Hang up: nothing is sent or sounds any more; the last words may still become text. `onEnd` follows. */
  close() {
    this.#microphone?.close();
    this.#speech.flushAll();
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
      this.#speech.reportAgain();
    } else {
      this.#socket.send({ type: "session.configure", ...this.#configuration });
    }
  }

  /** @param {Record<string, any>} message */
  #take(message) {
    this.#events.onMessage(message);
    this.#state.note(message, performance.now());
    this.#speech.note(message);
    this.#show(this.#conversation.note(message));
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
      if (message.code === "unknown_type") this.#speech.resumeAll(); // a server that is too old to stop an answer
      const what = serverTrouble(String(message.code));
      if (what !== null) this.#events.onTrouble(what);
    }
  }

  /** @param {import("./conversation.js").Line[]} lines */
  #show(lines) {
    if (lines.length > 0) this.#events.onLines(lines);
  }

  /** The agent has named the dialog. The server has told before if it refuses the name. @param {unknown} sessionId */
  #rename(sessionId) {
    const refused = this.#nameRefused || typeof sessionId !== "string" || !SESSION_ID.test(sessionId);
    this.#nameRefused = false;
    if (!refused) this.#events.onSession({ sessionId, room: null, transport: "websocket" });
  }

  /** @param {{error: boolean, code: string, text: string}} end */
  #end(end) {
    if (this.#over) return;
    this.#over = true;
    this.#microphone?.close();
    this.#speech.close();
    this.#events.onEnd(end);
  }
}
