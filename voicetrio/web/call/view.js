/** What the person sees and a screen reader says. It decides nothing: it is told, and tells which button was pressed. */

import { meterPosition } from "./level_meter.js";
import { Announcer } from "./announcer.js";
import { MICROPHONE_ACTIONS, MICROPHONE_NAMES, STATES } from "./states.js";
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
  #mute = element("button", { type: "button", class: "mute", part: "button mute-button", "aria-keyshortcuts": "M" });
  #stop = element("button", { type: "button", class: "stop", part: "button stop-button", "aria-keyshortcuts": "S" }, "Stop");
  #hangUp = element(
    "button",
    { type: "button", class: "hangup", part: "button hangup-button", "aria-keyshortcuts": "Escape" },
    "Hang up",
  );
  #lines = element("ol", { class: "lines", part: "transcript", "aria-label": "Conversation", tabindex: "0", hidden: "" });
  #trouble = element("p", { class: "trouble", part: "error", role: "alert", hidden: "" });
  #announcer = new Announcer();
  #meters = { microphone: meter("You", "Your microphone"), speaker: meter("Agent", "The agent's voice") };
  /** @type {Map<string, HTMLElement>} */ #shown = new Map();
  #ariaAt = 0;

  /** Whether answers are spoken: then they are heard, and not announced. */
  answersAreSpoken = true;

  /**
   * @param {ShadowRoot} root
   * @param {{onCall: () => void, onMute: () => void, onStop: () => void, onHangUp: () => void}} actions
   */
  constructor(root, { onCall, onMute, onStop, onHangUp }) {
    this.#root = root;
    root.adoptedStyleSheets = [styleSheet()];
    const dot = element("span", { class: "dot", part: "state-dot", "aria-hidden": "true" });
    const state = element("p", { class: "state", part: "state", role: "status" }, dot, this.#state);
    const buttons = element("div", { class: "buttons" }, this.#call, this.#stop, this.#mute, this.#hangUp);
    const meters = element("div", { class: "meters", part: "meters" });
    meters.append(this.#meters.microphone.whole, this.#meters.speaker.whole);
    const head = element("div", { class: "head" }, state, buttons);
    this.#card = element("section", { class: "card", part: "card", "aria-label": "Voice call" });
    this.#card.append(head, meters, this.#trouble, this.#lines, this.#announcer.element);
    root.append(this.#card);
    const stop = () => this.#stop.getAttribute("aria-disabled") === "true" || onStop();
    this.#call.addEventListener("click", onCall);
    this.#stop.addEventListener("click", stop);
    this.#mute.addEventListener("click", onMute);
    this.#hangUp.addEventListener("click", onHangUp);
    this.#card.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.altKey || event.metaKey || this.#mute.hidden) return;
      const key = event.key.toLowerCase();
      if (event.key === "Escape") onHangUp();
      else if (key === "m" && !event.repeat) onMute();
      else if (key === "s" && !event.repeat) stop();
      else return;
      event.preventDefault();
    });
  }

  /** @param {string} text of the call button */
  set label(text) {
    this.#call.textContent = text;
  }

  /**
   * @param {import("./states.js").State} state
   * @param {string} text in words
   * @param {{canStop: boolean}} transport whether it can stop answers at all
   */
  setState(state, text = STATES[state].text, { canStop } = { canStop: true }) {
    const look = STATES[state];
    const focused = this.#root.activeElement;
    this.#card.dataset.state = state;
    this.#card.dataset.tone = look.tone;
    this.#card.toggleAttribute("data-waits", look.waits);
    if (this.#state.textContent !== text) this.#state.textContent = text;
    this.#call.hidden = look.calling;
    this.#mute.hidden = this.#hangUp.hidden = !look.calling;
    this.#stop.hidden = !look.calling || !canStop;
    // It stays where it is, so that nothing jumps, and nobody who is on it by keyboard is thrown off.
    this.#stop.setAttribute("aria-disabled", String(!look.canStop));
    // Whoever uses the keyboard stays in the widget when the button under their finger goes.
    if (focused === this.#call && look.calling) this.#mute.focus();
    if (focused !== null && focused !== this.#call && !look.calling && this.#isButton(focused)) this.#call.focus();
  }

  /** @param {import("./states.js").MicrophoneUse} use */
  set microphone(use) {
    if (this.#card.dataset.microphone === use) return;
    this.#card.dataset.microphone = use;
    this.#mute.textContent = MICROPHONE_ACTIONS[use];
    this.#meters.microphone.name.textContent = MICROPHONE_NAMES[use];
  }

  /** @param {Element} element */
  #isButton(element) {
    return element === this.#mute || element === this.#stop || element === this.#hangUp;
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
    this.#announcer.clear();
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
    const said = shown.dataset.final === "true" || line.old === true;
    shown.className = `line ${line.who}${line.final ? "" : " partial"}`;
    shown.setAttribute("part", `line ${line.who}${line.final ? "" : " partial"}`);
    shown.dataset.final = String(line.final);
    const name = line.who === "you" ? "You" : "Agent";
    shown.replaceChildren(element("b", { part: "name" }, `${name}: `), ...words(line));
    const heard = line.who === "agent" && this.answersAreSpoken;
    if (line.final && !said && !heard) this.#announcer.say(`${name}: ${line.text}`);
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
