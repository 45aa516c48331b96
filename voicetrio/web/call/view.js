/** What the person sees and a screen reader says. It decides nothing: it is told, and tells which button was pressed. */

import { meterPosition } from "./level_meter.js";
import { STATE_TEXTS } from "./call_state.js";
import { styleSheet } from "./style.js";

/** Lines that are shown; the page may show all of them. */
const LINES_MAX = 12;

/** Milliseconds between two values that a screen reader may be told of a meter. */
const ARIA_MS = 500;

/** @typedef {import("./conversation.js").Line} Line */

/**
 * @param {string} tag
 * @param {Record<string, string>} attributes
 * @param {(Node | string)[]} children
 */
function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

export class View {
  #root;
  #card;
  #state = element("span", { part: "state-text" });
  #call = element("button", { type: "button", class: "call", part: "button call-button" });
  #mute = element("button", { type: "button", class: "mute", part: "button mute-button", "aria-keyshortcuts": "M" }, "Mute");
  #hangUp = element(
    "button",
    { type: "button", class: "hangup", part: "button hangup-button", "aria-keyshortcuts": "Escape" },
    "Hang up",
  );
  #lines = element("ol", { class: "lines", part: "transcript", "aria-label": "Conversation", tabindex: "0", hidden: "" });
  #trouble = element("p", { class: "trouble", part: "error", role: "alert", hidden: "" });
  #news = element("div", { class: "unseen", "aria-live": "polite" });
  #meters = { microphone: meter("You", "Your microphone"), speaker: meter("Agent", "The agent's voice") };
  /** @type {Map<string, HTMLElement>} */ #shown = new Map();
  #ariaAt = 0;

  /**
   * @param {ShadowRoot} root
   * @param {{onCall: () => void, onMute: () => void, onHangUp: () => void}} actions
   */
  constructor(root, { onCall, onMute, onHangUp }) {
    this.#root = root;
    root.adoptedStyleSheets = [styleSheet()];
    const dot = element("span", { class: "dot", part: "state-dot", "aria-hidden": "true" });
    const state = element("p", { class: "state", part: "state", role: "status" }, dot, this.#state);
    const buttons = element("div", { class: "buttons" }, this.#call, this.#mute, this.#hangUp);
    const meters = element("div", { class: "meters", part: "meters" });
    meters.append(this.#meters.microphone.whole, this.#meters.speaker.whole);
    const head = element("div", { class: "head" }, state, buttons);
    this.#card = element("section", { class: "card", part: "card", "aria-label": "Voice call" });
    this.#card.append(head, meters, this.#trouble, this.#lines, this.#news);
    root.append(this.#card);
    this.#call.addEventListener("click", onCall);
    this.#mute.addEventListener("click", onMute);
    this.#hangUp.addEventListener("click", onHangUp);
    this.#card.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.altKey || event.metaKey || this.#mute.hidden) return;
      if (event.key === "Escape") onHangUp();
      else if (event.key.toLowerCase() === "m" && !event.repeat) onMute();
      else return;
      event.preventDefault();
    });
  }

  /** @param {string} text of the call button */
  set label(text) {
    this.#call.textContent = text;
  }

  /**
   * @param {import("./call_state.js").State} state
   * @param {string} text in words
   */
  setState(state, text = STATE_TEXTS[state]) {
    const calling = !["idle", "ended", "error"].includes(state);
    const focused = this.#root.activeElement;
    this.#card.dataset.state = state;
    if (this.#state.textContent !== text) this.#state.textContent = text;
    this.#call.hidden = calling;
    this.#mute.hidden = this.#hangUp.hidden = !calling;
    // Whoever uses the keyboard stays in the widget when the button under their finger goes.
    if (focused === this.#call && calling) this.#mute.focus();
    if ((focused === this.#mute || focused === this.#hangUp) && !calling) this.#call.focus();
  }

  /** @param {boolean} muted */
  set muted(muted) {
    this.#mute.setAttribute("aria-pressed", String(muted));
    this.#meters.microphone.name.textContent = muted ? "You (muted)" : "You";
  }

  /** @param {string} text empty: all is well */
  set trouble(text) {
    this.#trouble.hidden = text === "";
    if (this.#trouble.textContent !== text) this.#trouble.textContent = text;
  }

  /** @param {{microphone: number, speaker: number}} levels @param {number} now milliseconds */
  setLevels(levels, now) {
    const aria = now >= this.#ariaAt;
    if (aria) this.#ariaAt = now + ARIA_MS;
    for (const side of /** @type {const} */ (["microphone", "speaker"])) {
      const position = meterPosition(levels[side]);
      const { bar, track } = this.#meters[side];
      bar.style.transform = `scaleX(${position.toFixed(2)})`;
      if (aria) track.setAttribute("aria-valuenow", String(Math.round(100 * position)));
    }
  }

  clearLines() {
    this.#lines.replaceChildren();
    this.#lines.hidden = true;
    this.#news.textContent = "";
    this.#shown.clear();
  }

  /** A new line, or one that has changed. @param {Line} line */
  showLine(line) {
    let shown = this.#shown.get(line.id);
    const known = shown !== undefined;
    if (line.text === "" && line.tentative === "") {
      shown?.remove();
      this.#shown.delete(line.id);
      return;
    }
    shown ??= element("li");
    this.#shown.set(line.id, shown);
    const said = shown.dataset.final === "true";
    shown.className = `line ${line.who}${line.final ? "" : " partial"}`;
    shown.setAttribute("part", `line ${line.who}${line.final ? "" : " partial"}`);
    shown.dataset.final = String(line.final);
    const name = line.who === "you" ? "You" : "Agent";
    shown.replaceChildren(element("b", { part: "name" }, `${name}: `), ...words(line));
    if (line.final && !said) this.#news.append(element("p", {}, `${name}: ${line.text}`));
    while (this.#news.childElementCount > 2) this.#news.firstElementChild?.remove();
    if (!known) this.#lines.append(shown);
    this.#lines.hidden = false;
    for (const [id, old] of this.#shown) {
      if (this.#shown.size <= LINES_MAX) break;
      old.remove();
      this.#shown.delete(id);
    }
    this.#lines.scrollTop = this.#lines.scrollHeight;
  }
}

/** The words of a line: what may still change is lighter, what was not heard is struck out. @param {Line} line */
function words(line) {
  const text = document.createTextNode(line.text);
  if (line.tentative !== "") {
    return [text, element("span", { class: "tentative", part: "tentative" }, `${line.text ? " " : ""}${line.tentative}`)];
  }
  if (!line.interrupted || line.heard === null || !line.text.startsWith(line.heard)) return [text];
  const rest = element("span", { class: "unheard", part: "unheard" }, line.text.slice(line.heard.length));
  rest.setAttribute("title", "not heard");
  return [line.heard, rest];
}

/** @param {string} text shown @param {string} label for screen readers */
function meter(text, label) {
  const bar = element("div", { class: "bar", part: "meter-bar" });
  const track = element("div", { class: "track", part: "meter", role: "meter", "aria-label": label });
  for (const [name, value] of [["min", "0"], ["max", "100"], ["now", "0"]]) track.setAttribute(`aria-value${name}`, value);
  track.append(bar);
  const name = element("span", { "aria-hidden": "true" }, text);
  return { whole: element("div", { class: "meter" }, name, track), name, track, bar };
}
