// The conversation as lines: what you said, partial words lighter, and of an answer what was heard.

import { setText } from "./session.js";

const MAX_LINES = 200; // as many turns as the server keeps; a page that is left open must not grow for ever
const NEAR_END_PX = 48;
const WHY = {
  cancelled: "Stopped",
  closed: "Hung up",
  disconnected: "The connection was lost",
  failed: "The voice failed",
};
const WORD_CHARACTERS = /[\p{L}\p{N}]/gu;

export class Transcript {
  #list;
  #empty;
  #lines = new Map();
  #call = 0;

  /**
   * @param {HTMLOListElement} list where the lines go
   * @param {HTMLElement} empty what is shown while there are none
   */
  constructor(list, empty) {
    this.#list = list;
    this.#empty = empty;
  }

  /** Another call begins: its lines have the ids of the last one's. */
  beginCall() {
    this.#call += 1;
  }

  get empty() {
    return this.#lines.size === 0;
  }

  clear() {
    for (const key of [...this.#lines.keys()]) this.#remove(key);
  }

  /** For a page that is loaded again. */
  save() {
    return { call: this.#call, lines: [...this.#lines].map(([key, { line }]) => ({ key, line })) };
  }

  /** @param {ReturnType<Transcript["save"]>} saved */
  restore({ call, lines }) {
    this.#call = call;
    for (const { key, line } of lines) this.#show(key, line);
    this.#list.scrollTop = this.#list.scrollHeight;
  }

  /** @param {import("../call/conversation.js").Line} line */
  show(line) {
    this.#show(`${this.#call} ${line.id}`, line);
  }

  #show(key, line) {
    if (!line.text && !line.tentative) {
      this.#remove(key);
      return;
    }
    const follow = this.#isAtEnd();
    const shown = this.#lines.get(key) ?? this.#add(key, line.who);
    shown.line = line;
    render(shown, line);
    if (follow) this.#list.scrollTop = this.#list.scrollHeight;
  }

  #add(key, who) {
    const element = document.createElement("li");
    element.className = who;
    const words = document.createElement("p");
    const [said, tentative, unheard, note] = ["said", "tentative", "unheard", "note"].map((name) => piece(name));
    words.append(said, tentative, unheard);
    element.append(piece("who", who === "you" ? "You" : "Agent"), words, note);
    this.#list.append(element);
    this.#empty.hidden = true;
    const shown = { element, line: null, said, tentative, unheard, note };
    this.#lines.set(key, shown);
    if (this.#lines.size > MAX_LINES) this.#remove(this.#lines.keys().next().value);
    return shown;
  }

  #remove(key) {
    this.#lines.get(key)?.element.remove();
    this.#lines.delete(key);
    this.#empty.hidden = this.#lines.size > 0;
  }

  #isAtEnd() {
    const { scrollTop, scrollHeight, clientHeight } = this.#list;
    return scrollHeight - scrollTop - clientHeight < NEAR_END_PX;
  }
}

function render({ said, tentative, unheard, note }, line) {
  const [heard, rest] = split(line);
  setText(said, heard);
  setText(tentative, line.tentative ? ` ${line.tentative}` : "");
  setText(unheard, rest);
  setText(note, line.interrupted && rest ? `${WHY[line.reason] ?? "Interrupted"}: the lighter words were not heard` : "");
}

/** What of a line was heard, and the rest of it. */
function split({ who, text, heard, interrupted }) {
  if (who === "you" || typeof heard !== "string") return [text, ""];
  const end = endOf(heard, text);
  if (end !== null) return [text.slice(0, end), text.slice(end)];
  return interrupted ? [heard, ""] : [text, ""];
}

/**
 * Where in the text that which was heard ends; null if it is not how the text begins. Only letters and digits count: what
 * was heard has none of the markup and the line breaks of what was written.
 */
function endOf(heard, text) {
  const wanted = heard.match(WORD_CHARACTERS) ?? [];
  let count = 0;
  let end = 0;
  for (const { 0: character, index } of text.matchAll(WORD_CHARACTERS)) {
    if (count === wanted.length) break;
    if (character !== wanted[count]) return null;
    count += 1;
    end = index + character.length;
  }
  if (count < wanted.length) return null;
  const trailing = text.slice(end).match(/^[^\p{L}\p{N}\s]+/u); // the full stop belongs to the word before it
  const all = count > 0 && trailing !== null ? end + trailing[0].length : end;
  return text.slice(all).trim() === "" ? text.length : all;
}

function piece(name, text = "") {
  const element = document.createElement("span");
  element.className = name;
  element.textContent = text;
  return element;
}
