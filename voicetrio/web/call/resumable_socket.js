/**
 * A session's WebSocket that comes back when it is cut: with the session's token, the number of messages received, and how
 * much of which utterance. Networks also fail without a word: silence where an answer is owed counts as a cut.
 *
 *   connect ──> created ──> messages, audio ──> cut ──> wait ──> connect with the token ──> ...
 *                                  └──> judged: end    └──> not in time: end
 */

import { closing, trouble } from "./errors.js";
import { SignOfLife } from "./sign_of_life.js";

/** Milliseconds for the first connection: ten times what a slow line needs. */
const CONNECT_MS = 10_000;

/** For one attempt to come back: something in the middle that accepts and says nothing must not take all of the time. */
const ATTEMPT_MS = 4000;

/** Before the first attempt to come back, doubled before each further one, up to the next: a voice has no time. */
const RETRY_MS = 250;
const RETRY_MS_MAX = 2000;

/** Of the server's patience, what is left to it: its clock may have started before ours. */
const GRACE_MARGIN_MS = 500;

/** Of a server that does not tell its patience: none. */
const GRACE_MS = 0;

/** Bytes that may wait in the browser, 2 s of audio. With more, audio is kept here, where it can be sent again. */
const BUFFERED_BYTES_MAX = 64_000;

/** Milliseconds with that much waiting, after which the connection is taken for dead: networks fail without a word. */
const STUCK_MS = 4000;

/** Milliseconds for the server's goodbye: it may wait 2 s for the last words. */
const GOODBYE_MS = 2500;

/**
 * What of a session's messages and audio has come, and what it takes to go on with it.
 * @typedef {object} Resumption
 * @property {string} token
 * @property {number} received messages, without those of type `session.created` and `session.pong`
 * @property {number} graceMs for how long the server waits
 */

/**
 * @typedef {object} SocketEvents
 * @property {(message: Record<string, any>) => void} onCreated `session.created`: `resumed` tells which
 * @property {(message: Record<string, any>) => void} onMessage every other message
 * @property {(data: ArrayBuffer) => void} onAudio
 * @property {(id: string) => void} onPong the server has received all that was sent before the ping of this name
 * @property {() => {requestId: string, samples: number} | null} position the last utterance whose audio came, and how much
 * @property {() => void} onCut the connection is gone, and is being made anew
 * @property {(end: {error: boolean, code: string, text: string}) => void} onEnd once
 */

export class ResumableSocket {
  #url;
  #events;
  /** @type {WebSocket | null} */ #socket = null;
  #token = "";
  #received = 0;
  #graceMs = GRACE_MS;
  #reason = "";
  #created = false;
  #closing = false;
  #over = false;
  /** When the session is given up, by `performance.now()`; null: it is not cut. @type {number | null} */
  #deadline = null;
  #attempt = 0;
  #stuckSince = 0;
  #timer = 0;
  #life = new SignOfLife({ ask: () => this.send({ type: "session.ping" }), onGone: () => this.#gone() });
  #retryNow = () => this.#deadline !== null && this.#socket === null && this.#connect();
  #lineGone = () => this.#socket !== null && !this.#closing && this.#cut();

  /**
   * @param {string} url ws(s)://, with the session's id
   * @param {SocketEvents} events
   * @param {Resumption | null} [resumption] of a session that is there already
   */
  constructor(url, events, resumption = null) {
    this.#url = url;
    this.#events = events;
    if (resumption !== null) {
      this.#token = resumption.token;
      this.#received = resumption.received;
      this.#graceMs = resumption.graceMs;
      this.#deadline = performance.now() + this.#graceMs;
    }
    addEventListener("online", this.#retryNow);
    addEventListener("offline", this.#lineGone);
    this.#connect();
  }

  /** What another page needs to go on with this session; null: it cannot. @returns {Resumption | null} */
  get resumption() {
    if (this.#over || this.#closing || this.#token === "" || this.#graceMs <= 0) return null;
    return { token: this.#token, received: this.#received, graceMs: this.#graceMs };
  }

  /** Whether something can be sent now. */
  get open() {
    return this.#created && this.#socket?.readyState === WebSocket.OPEN;
  }

  /** Whether audio should be sent now; as long as it should not, it is kept. */
  get roomy() {
    if (!this.open) return false;
    const buffered = /** @type {WebSocket} */ (this.#socket).bufferedAmount;
    if (buffered <= BUFFERED_BYTES_MAX) {
      this.#stuckSince = 0;
      return true;
    }
    if (this.#stuckSince === 0) this.#stuckSince = performance.now();
    else if (performance.now() - this.#stuckSince > STUCK_MS) this.#cut();
    return false;
  }

  /** Returns whether it was sent. @param {Record<string, unknown>} message */
  send(message) {
    if (!this.open) return false;
    this.#socket?.send(JSON.stringify(message));
    return true;
  }

  /** @param {Int16Array} pcm */
  sendAudio(pcm) {
    this.#socket?.send(/** @type {any} */ (pcm));
  }

  /** Ask whether all that was sent has arrived: `onPong` with this name follows. @param {string} id */
  ping(id) {
    this.send({ type: "session.ping", id });
  }

  /** Leave the session as it is: another page goes on with it. `onEnd` follows if there was none yet. */
  leave() {
    this.#finish({ error: false, code: "ended", text: "" });
  }

  /** Asks for an orderly end, and waits a little for it. `onEnd` follows. */
  close() {
    if (this.#over || this.#closing) return;
    this.#closing = true;
    if (this.send({ type: "session.close" })) this.#after(GOODBYE_MS, () => this.#end(1000));
    else this.#end(1000);
  }

  /** The end, now: the page is going away. `onEnd` follows if there was none yet. */
  abort() {
    if (this.#over) return;
    this.send({ type: "session.cancel" });
    this.#end(1000);
  }

  #connect() {
    clearTimeout(this.#timer);
    let url = this.#url;
    if (this.#token !== "") {
      const query = new URLSearchParams({ resume: this.#token, received: String(this.#received) });
      const position = this.#events.position();
      if (position !== null) {
        query.set("utterance", position.requestId);
        query.set("samples", String(position.samples));
      }
      url += `?${query}`;
    }
    /** @type {WebSocket} */ let socket;
    try {
      socket = new WebSocket(url);
    } catch {
      // The page's content security policy, or an address that is none.
      queueMicrotask(() => this.#finish({ error: true, ...trouble("unreachable") }));
      return;
    }
    socket.binaryType = "arraybuffer";
    socket.onmessage = ({ data }) => this.#take(data);
    socket.onclose = ({ code }) => this.#lost(code);
    this.#socket = socket;
    this.#created = false;
    const left = this.#deadline === null ? CONNECT_MS : Math.min(ATTEMPT_MS, this.#deadline - performance.now());
    this.#after(left, () => this.#lost(1006));
  }

  /** @param {string | ArrayBuffer} data */
  #take(data) {
    this.#life.came();
    if (typeof data !== "string") {
      this.#events.onAudio(data);
      return;
    }
    const message = JSON.parse(data);
    if (message.type === "session.created") {
      this.#welcome(message);
      return;
    }
    if (message.type === "session.pong") {
      this.#events.onPong(String(message.id ?? ""));
      return;
    }
    this.#received++;
    if (message.type === "session.closed") this.#reason = String(message.reason ?? "");
    this.#events.onMessage(message);
  }

  /** The network has swallowed what was sent, and says nothing of it. */
  #gone() {
    if (!this.#closing) this.#cut(); // a goodbye has its own time
  }

  /** @param {Record<string, any>} message */
  #welcome(message) {
    this.#created = true;
    if (this.#token !== "" && message.resumed !== true) {
      this.send({ type: "session.cancel" });
      this.#finish({ error: true, ...trouble("call_lost") });
      return;
    }
    if (!this.#closing) clearTimeout(this.#timer);
    this.#deadline = null;
    this.#attempt = 0;
    this.#stuckSince = 0;
    this.#token = String(message.resume_token ?? "");
    this.#graceMs = Number(message.limits?.resume_grace_ms ?? GRACE_MS);
    this.#life.watch();
    this.#events.onCreated(message);
  }

  /** A connection, or an attempt to make one, has ended. @param {number} code */
  #lost(code) {
    if (this.#closing || this.#reason !== "" || closing(code, "") !== null) this.#end(code);
    else this.#cut();
  }

  #cut() {
    this.#drop();
    if (this.#token === "" || this.#graceMs <= 0) {
      this.#finish({ error: true, ...trouble(this.#token === "" ? "unreachable" : "connection_lost") });
      return;
    }
    const now = performance.now();
    if (this.#deadline === null) {
      this.#deadline = now + Math.max(1000, this.#graceMs - GRACE_MARGIN_MS);
      this.#events.onCut();
    }
    // Half of it by chance: a server that comes back shall not meet all of its clients in the same moment.
    const delay = Math.min(RETRY_MS_MAX, RETRY_MS * 2 ** this.#attempt++) * (0.5 + Math.random() / 2);
    const left = this.#deadline - now;
    if (left > delay) this.#after(delay, () => this.#connect());
    else this.#after(Math.max(0, left), () => this.#finish({ error: true, ...trouble("connection_lost") }));
  }

  /** @param {number} code */
  #end(code) {
    this.#finish(closing(code, this.#reason) ?? { error: true, ...trouble("connection_lost") });
  }

  /** @param {{error: boolean, code: string, text: string}} end */
  #finish(end) {
    this.#drop();
    if (this.#over) return;
    this.#over = true;
    clearTimeout(this.#timer);
    removeEventListener("online", this.#retryNow);
    removeEventListener("offline", this.#lineGone);
    this.#events.onEnd(end);
  }

  /** Have nothing more to do with the connection. Its own closing may take long, if the network is gone. */
  #drop() {
    const socket = this.#socket;
    this.#socket = null;
    this.#created = false;
    this.#life.stop();
    if (socket === null) return;
    socket.onmessage = socket.onclose = null;
    socket.close(1000);
  }

  /** One timer is enough: each step replaces that of the step before. @param {number} ms @param {() => void} action */
  #after(ms, action) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(action, ms);
  }
}
