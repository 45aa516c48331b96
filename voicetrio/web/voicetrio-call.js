/**
 * `<voicetrio-call>`: a voice call in a web page. See docs/widget.md for its attributes, events and methods.
 *
 *   <script type="module" src="https://voice.example.org/web/voicetrio-call.js"></script>
 *   <voicetrio-call></voicetrio-call>
 */

import { Call } from "./call/calling.js";
import { saveCall, takeCall } from "./call/saved_calls.js";
import { newSessionId } from "./call/session_id.js";
import { STATES } from "./call/states.js";
import { View } from "./call/view.js";

export { newSessionId, STATES };

/** Milliseconds between two looks at state and levels: twenty a second look like a hand that moves. */
const TICK_MS = 50;

/** Lines that are kept for a page that is loaded again. */
const LINES_MAX = 200;

/** @typedef {import("./call/states.js").State} State */

export class VoicetrioCall extends HTMLElement {
  static observedAttributes = ["label"];

  #view;
  /** @type {Call | null} */ #call = null;
  /** @type {Promise<void>} */ #lastEnd = Promise.resolve();
  /** @type {State} */ #state = "idle";
  #sessionId = newSessionId();
  /** @type {string | null} The name that the session has, if the server gave it another. */ #renamed = null;
  /** With which the call was begun: the server finds it under this one, too. */ #usedId = "";
  #calls = 0;
  #typed = 0;
  #muted = false;
  #timer = 0;
  /** @type {Map<string, import("./call/conversation.js").Line>} Of this call, by their ids. */ #lines = new Map();
  /** The code of what the caller was told last. */ #trouble = "";
  #server = "";
  #leave = () => this.#leavePage();
  #come = (/** @type {PageTransitionEvent} */ event) => event.persisted && this.#goOn();

  constructor() {
    super();
    this.#view = new View(this.attachShadow({ mode: "open", delegatesFocus: true }), {
      onCall: () => void this.start(),
      onMute: () => {
        if (this.microphone === "none") void this.#call?.useMicrophone();
        else this.muted = !this.muted;
      },
      onStop: () => this.stop(),
      onHangUp: () => void this.hangUp(),
    });
    this.#view.setState("idle");
    this.#view.microphone = "on";
  }

  /** @returns {State} */
  get state() {
    return this.#state;
  }

  /** Of the call that goes on, or else of the next one. */
  get sessionId() {
    return this.#renamed ?? this.getAttribute("session-id") ?? this.#sessionId;
  }

  /** The LiveKit room; null without LiveKit. @returns {string | null} */
  get room() {
    return this.hasAttribute("livekit-url") ? (this.getAttribute("room") ?? this.sessionId) : null;
  }

  /** RMS, 0..1, of the last 100 ms of both sides. */
  get levels() {
    return this.#call?.levels ?? { microphone: 0, speaker: 0 };
  }

  get muted() {
    return this.#muted;
  }

  set muted(muted) {
    this.#muted = Boolean(muted);
    if (this.#call !== null) this.#call.muted = this.#muted;
    this.#view.microphone = this.microphone;
  }

  /** "on", "muted", or "none": the call is typed. */
  get microphone() {
    return this.#call?.microphone ?? (this.#muted ? "muted" : "on");
  }

  /**
   * Begin a call; nothing happens if there is one. It should come from a click, or the browser may keep the sound off.
   * @param {{microphone?: boolean}} [options] without a microphone it is typed; on a page that is not secure, also read
   */
  start({ microphone = true } = {}) {
    if (this.#call !== null && this.#isCalling()) return;
    this.#call?.abort(); // it only waits for its last words
    // Another call is another conversation, unless the page has named it.
    if (this.#calls++ > 0) this.#sessionId = newSessionId();
    this.#renamed = null;
    this.#view.trouble = "";
    this.#view.clearLines();
    this.#lines.clear();
    this.#server = (this.getAttribute("server") ?? new URL(import.meta.url).origin).replace(/\/+$/, "");
    this.#usedId = this.sessionId;
    this.#setState("connecting");
    this.#open(microphone, null);
  }

  /** End the call. Resolves when the server has said goodbye, within 3 s; the last words may come until then. */
  async hangUp() {
    if (this.#call === null || !this.#isCalling()) return;
    this.#ended({ error: false, code: "ended", text: "" });
    this.#call.close();
    await this.#lastEnd;
  }

  /** Stop the answer: what sounds of it, and what is still being thought of. Nothing happens if there is none. */
  stop() {
    if (this.#isCalling()) this.#call?.stop();
  }

  /**
   * Say something by text; it is answered as what is spoken is, and interrupts an answer as that does. Returns whether there
   * is a call to say it in.
   * @param {string} text
   */
  send(text) {
    if (!this.#isCalling() || text.trim() === "" || !this.#call?.send(text)) return false;
    this.#mended();
    const id = `typed-${++this.#typed}`;
    this.#show([{ id, who: "you", text, tentative: "", final: true, interrupted: false, heard: null, reason: "" }]);
    return true;
  }

  connectedCallback() {
    this.#view.label = this.getAttribute("label") ?? "Call";
    addEventListener("pageshow", this.#come);
    // The page's own scripts have to listen by then.
    if (document.readyState === "complete") setTimeout(() => this.#goOn());
    else addEventListener("load", () => this.#goOn(), { once: true });
  }

  disconnectedCallback() {
    removeEventListener("pageshow", this.#come);
    this.#stop();
  }

  attributeChangedCallback() {
    this.#view.label = this.getAttribute("label") ?? "Call";
  }

  /** @param {boolean} microphone @param {import("./call/native_call.js").SavedCall | null} saved */
  #open(microphone, saved) {
    this.#lastEnd = new Promise((resolve) => this.#begin(resolve, microphone, saved));
    addEventListener("pagehide", this.#leave);
    this.#timer = setInterval(() => this.#tick(), TICK_MS);
  }

  /**
   * @param {() => void} whenOver
   * @param {boolean} microphone
   * @param {import("./call/native_call.js").SavedCall | null} saved
   */
  #begin(whenOver, microphone, saved) {
    this.#view.answersAreSpoken = this.getAttribute("speak-replies") !== "false" && isSecureContext;
    const settings = {
      server: this.#server,
      sessionId: this.#usedId,
      livekitUrl: saved === null ? this.getAttribute("livekit-url") : null,
      tokenUrl: this.getAttribute("token-url") ?? `${this.#server}/v1/livekit/token`,
      room: this.room ?? "",
      configuration: this.#configuration(),
      microphone,
      saved,
    };
    const call = new Call(settings, {
      onSession: (session) => {
        this.#renamed = session.sessionId === this.#usedId ? null : session.sessionId;
        this.#tell("session", session);
      },
      onMessage: (message) => this.#note(message),
      onLines: (lines) => this.#show(lines),
      onPlayback: (playback) => this.#tell("playback", playback),
      onTrouble: (trouble) => {
        this.#trouble = trouble.code;
        this.#view.trouble = trouble.text;
        this.#tell("error", trouble);
      },
      onMended: (code) => this.#mended(code),
      onEnd: (end) => {
        if (this.#call === call || this.#call === null) {
          if (this.#isCalling()) this.#ended(end);
          this.#call = null;
        }
        whenOver();
      },
    });
    this.#call = call;
    call.muted = this.#muted;
  }

  #configuration() {
    /** @type {Record<string, unknown>} */
    const configuration = {
      agent: this.getAttribute("agent") ?? "on",
      speak_replies: this.getAttribute("speak-replies") !== "false",
      duplex: this.getAttribute("duplex") ?? "barge_in",
      interim: true,
    };
    for (const name of ["language", "voice"]) {
      if (this.hasAttribute(name)) configuration[name] = this.getAttribute(name);
    }
    return configuration;
  }

  /** What was told of is over, if it is that. @param {string} [code] */
  #mended(code = this.#trouble) {
    if (code !== this.#trouble) return;
    this.#trouble = "";
    this.#view.trouble = "";
  }

  /** @param {Record<string, any>} message */
  #note(message) {
    if (message.type === "turn.started") this.#mended();
    this.#tell("message", message);
    if (message.type === "turn.timings") this.#tell("timings", message);
  }

  /** @param {import("./call/conversation.js").Line[]} lines */
  #show(lines) {
    for (const line of lines) {
      this.#lines.set(line.id, line);
      if (this.#lines.size > LINES_MAX) this.#lines.delete(String(this.#lines.keys().next().value));
      this.#view.showLine(line);
      this.#tell("transcript", line);
    }
  }

  #tick() {
    if (this.#call === null || !this.#isCalling()) return;
    this.#setState(this.#call.state);
    if (this.#call.microphone !== "none") this.#mended("microphone_lost");
    this.#view.microphone = this.#call.microphone;
    this.#view.setLevels(this.levels, performance.now());
  }

  /** @param {{error: boolean, code: string, text: string}} end */
  #ended(end) {
    clearInterval(this.#timer);
    removeEventListener("pagehide", this.#leave);
    this.#view.setLevels({ microphone: 0, speaker: 0 }, Infinity);
    this.#view.microphone = this.#muted ? "muted" : "on";
    this.#view.trouble = end.error ? end.text : "";
    if (end.error) this.#tell("error", { code: end.code, text: end.text });
    this.#setState(end.error ? "error" : "ended", end.error || end.text === "" ? undefined : end.text);
  }

  /** The page is going: the next one may go on with the call, if the site wants that. */
  #leavePage() {
    const call = this.hasAttribute("keep-on-reload") ? (this.#call?.save() ?? null) : null;
    if (call !== null && this.#isCalling()) {
      const [server, sessionId, renamed] = [this.#server, this.#usedId, this.#renamed];
      const lines = [...this.#lines.values()];
      saveCall(this.id, { call, server, sessionId, renamed, muted: this.#muted, typed: this.#typed, lines });
      this.#call?.leave();
    }
    this.#stop();
  }

  /** The page has come: there may be a call that the one before has left. */
  #goOn() {
    if (!this.hasAttribute("keep-on-reload") || !this.isConnected || this.#isCalling()) return;
    const saved = takeCall(this.id);
    if (saved === null) return;
    this.#calls++;
    this.#server = saved.server;
    this.#sessionId = this.#usedId = saved.sessionId;
    this.#renamed = saved.renamed;
    this.#typed = saved.typed;
    this.muted = saved.muted;
    this.#setState("reconnecting");
    this.#show(saved.lines.map((line) => ({ ...line, old: true })));
    this.#open(saved.call.hadMicrophone, saved.call);
  }

  /** The element, or its page, is going away. */
  #stop() {
    const call = this.#call;
    if (call === null) return;
    if (this.#isCalling()) this.#ended({ error: false, code: "ended", text: "" });
    call.abort();
    this.#call = null;
  }

  #isCalling() {
    return STATES[this.#state].calling;
  }

  /** @param {State} state @param {string} [text] */
  #setState(state, text = STATES[state].text) {
    if (state === this.#state) return;
    this.#state = state;
    this.#view.setState(state, text, { canStop: !this.hasAttribute("livekit-url") });
    this.#tell("state", { state, text });
  }

  /** @param {string} kind @param {unknown} detail */
  #tell(kind, detail) {
    this.dispatchEvent(new CustomEvent(`voicetrio-${kind}`, { detail, bubbles: true, composed: true }));
  }
}

// The script may be there twice, and from two servers: the first one is it.
if (customElements.get("voicetrio-call") === undefined) customElements.define("voicetrio-call", VoicetrioCall);
