// The parts of the delay between somebody's last word and the first sound of the answer, as the server measures them.

import { setText } from "./session.js";

const PARTS = [
  ["endpointing", "you have stopped speaking"],
  ["final", "your words are final"],
  ["turn", "it is the agent’s turn"],
  ["agent", "its first words are written"],
  ["piece", "they are enough to speak"],
  ["audio", "the first sound is there"],
];
const TOTAL = ["total", "from voice to voice"];
const MAX_TURNS = 200; // enough for a median, and a bound

export class Timings {
  #turns = [];
  #rows = new Map();
  #segments = new Map();
  #summary;

  /** @param {HTMLTableSectionElement} body @param {HTMLElement} bar @param {HTMLElement} summary */
  constructor(body, bar, summary) {
    this.#summary = summary;
    for (const [part, meaning] of [...PARTS, TOTAL]) {
      const row = body.insertRow();
      row.dataset.part = part;
      row.append(heading(part, meaning));
      const cells = [row.insertCell(), row.insertCell()];
      for (const cell of cells) cell.textContent = "–";
      this.#rows.set(part, cells);
    }
    for (const [part] of PARTS) {
      const segment = document.createElement("span");
      segment.className = part;
      bar.append(segment);
      this.#segments.set(part, segment);
    }
  }

  /** @param {Record<string, number>} timings the server's message `turn.timings`, times in milliseconds */
  add(timings) {
    this.#turns.push(timings);
    if (this.#turns.length > MAX_TURNS) this.#turns.shift();
    const of = (turn, part) => turn[`${part}_ms`];
    for (const [part, [last, middle]] of this.#rows) {
      setText(last, String(Math.round(of(timings, part))));
      setText(middle, String(Math.round(median(this.#turns.map((turn) => of(turn, part))))));
    }
    for (const [part, segment] of this.#segments) segment.style.flexGrow = String(Math.max(0, of(timings, part)));
    const count = this.#turns.length;
    setText(
      this.#summary,
      `The last answer began after ${(timings.total_ms / 1000).toFixed(2)} s.` +
        (count > 1 ? ` The median is over ${count} answers.` : ""),
    );
    this.#summary.classList.remove("empty");
  }
}

function heading(part, meaning) {
  const head = document.createElement("th");
  head.scope = "row";
  head.className = `part ${part}`;
  const more = document.createElement("span");
  more.className = "meaning";
  more.textContent = meaning;
  head.append(`${part[0].toUpperCase()}${part.slice(1)} `, more);
  return head;
}

/** @param {number[]} values at least one */
export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}
