/**
 * `<voicetrio-call>`: a voice call in a web page. See docs/widget.md for its attributes, events and methods.
 *
 *   <script type="module" src="https://voice.example.org/web/voicetrio-call.js"></script>
 *   <voicetrio-call></voicetrio-call>
 */

import { STATE_TEXTS } from "./call/call_state.js";
import { Call } from "./call/calling.js";
import { newSessionId } from "./call/session_id.js";
import { View } from "./call/view.js";

export { newSessionId };

/** Milliseconds between two looks at state and levels: twenty a second look like a hand that moves. */
const TICK_MS = 50;

/** @typedef {import("./call/call_state.js").State} State */

export class VoicetrioCall extends HTMLElement {
  static observedAttributes = ["label"];

  #view;
  /** @type {Call | null} */ #call = null;
  /** @type {Promise<void>} */ #lastEnd = Promise.resolve();
  /** @type {State} */ #state = "idle";
  #sessionId = newSessionId();
  /** @type {string | null} The name that the session has, if the server gave it another. */ #renamed = null;
  #calls = 0;
  #typed = 0;
  #muted = false;
  #timer = 0;
  #leave = () => this.#stop();

  constructor() {
    super();
    this.#view = new View(this.attachShadow({ mode: "open", delegatesFocus: true }), {
      onCall: () => void this.start(),
      onMute: () => {
        this.muted = !this.muted;
      },
      onHangUp: () => void this.hangUp(),
    });
    this.#view.setState("idle");
    this.#view.muted = false;
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
    this.#view.muted = this.#muted;
    if (this.#call !== null) this.#call.muted = this.#muted;
  }

  /** Begin a call; nothing happens if there is one. It should come from a click, or the browser may keep the sound off. */
  start() {
    if (this.#call !== null && this.#isCalling()) return;
    this.#call?.abort(); // it only waits for its last words
    // Another call is another conversation, unless the page has named it.
    if (this.#calls++ > 0) this.#sessionId = newSessionId();
    this.#renamed = null;
    this.#view.trouble = "";
    this.#view.clearLines();
    this.#setState("connecting");
    this.#lastEnd = new Promise((resolve) => this.#begin(resolve));
    addEventListener("pagehide", this.#leave);
    this.#timer = setInterval(() => this.#tick(), TICK_MS);
  }

  /** End the call. Resolves when the server has said goodbye, within 3 s; the last words may come until then. */
  async hangUp() {
    if (this.#call === null || !this.#isCalling()) return;
    this.#ended({ error: false, code: "ended", text: "" });
    this.#call.close();
    await this.#lastEnd;
  }

  /**
   * Say something by text; it is answered as what is spoken is. Returns whether there is a call to say it in.
   * @param {string} text
   */
  send(text) {
    if (!this.#isCalling() || text.trim() === "" || !this.#call?.send(text)) return false;
    const id = `typed-${++this.#typed}`;
    this.#show([{ id, who: "you", text, tentative: "", final: true, interrupted: false, heard: null }]);
    return true;
  }

  connectedCallback() {
    this.#view.label = this.getAttribute("label") ?? "Call";
  }

  disconnectedCallback() {
    this.#stop();
  }

  attributeChangedCallback() {
    this.#view.label = this.getAttribute("label") ?? "Call";
  }

  /** @param {() => void} whenOver */
  #begin(whenOver) {
    const server = (this.getAttribute("server") ?? new URL(import.meta.url).origin).replace(/\/+$/, "");
    const settings = {
      server,
      sessionId: this.sessionId,
      livekitUrl: this.getAttribute("livekit-url"),
      tokenUrl: this.getAttribute("token-url") ?? `${server}/v1/livekit/token`,
      room: this.room ?? "",
      configuration: this.#configuration(),
    };
    const call = new Call(settings, {
      onSession: (session) => {
        if (session.sessionId !== this.sessionId) this.#renamed = session.sessionId;
        this.#tell("session", session);
      },
      onMessage: (message) => this.#note(message),
      onLines: (lines) => this.#show(lines),
      onPlayback: (playback) => this.#tell("playback", playback),
      onTrouble: (trouble) => {
        this.#view.trouble = trouble.text;
        this.#tell("error", trouble);
      },
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

  /** @param {Record<string, any>} message */
  #note(message) {
    if (message.type === "turn.started") this.#view.trouble = "";
    this.#tell("message", message);
    if (message.type === "turn.timings") this.#tell("timings", message);
  }

  /** @param {import("./call/conversation.js").Line[]} lines */
  #show(lines) {
    for (const line of lines) {
      this.#view.showLine(line);
      this.#tell("transcript", line);
    }
  }

  #tick() {
    if (this.#call === null || !this.#isCalling()) return;
    this.#setState(this.#call.state);
    this.#view.setLevels(this.levels, performance.now());
  }

  /** @param {{error: boolean, code: string, text: string}} end */
  #ended(end) {
    clearInterval(this.#timer);
    removeEventListener("pagehide", this.#leave);
    this.#view.setLevels({ microphone: 0, speaker: 0 }, Infinity);
    this.#view.trouble = end.error ? end.text : "";
    if (end.error) this.#tell("error", { code: end.code, text: end.text });
    this.#setState(end.error ? "error" : "ended", end.error || end.text === "" ? undefined : end.text);
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
    return !["idle", "ended", "error"].includes(this.#state);
  }

  /** @param {State} state @param {string} [text] */
  #setState(state, text = STATE_TEXTS[state]) {
    if (state === this.#state) return;
    this.#state = state;
    this.#view.setState(state, text);
    this.#tell("state", { state, text });
  }

  /** @param {string} kind @param {unknown} detail */
  #tell(kind, detail) {
    this.dispatchEvent(new CustomEvent(`voicetrio-${kind}`, { detail, bubbles: true, composed: true }));
  }
}

// The script may be there twice, and from two servers: the first one is it.
if (customElements.get("voicetrio-call") === undefined) customElements.define("voicetrio-call", VoicetrioCall);
