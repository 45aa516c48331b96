// The table of the operator's page: one row for each session, sorted and filtered.
//
// Rows stay where they are while nothing about them changes, so that a selection or a scrolled place survives an update.
// All text goes through textContent: ids are chosen by clients.

/** Seconds as people say them: "42 s", "3 min 05 s", "42 min", "2 h 04 min". */
export function duration(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  const two = (number) => String(number).padStart(2, "0");
  if (whole < 60) return `${whole} s`;
  if (whole < 600) return `${Math.floor(whole / 60)} min ${two(whole % 60)} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min`;
  return `${Math.floor(whole / 3600)} h ${two(Math.floor((whole % 3600) / 60))} min`;
}

/** What is shown of a session: for each column its words, and for some a kind, which gives them a colour. */
function describe(session, totals) {
  const activity = session.speaking ? "speaking" : session.answering ? "thinking" : "";
  const away = session.away_s !== null;
  const behind = session.backlog_s >= totals.max_backlog_s / 2;
  const lacking = session.worker === "" && session.backlog_s > 0;
  return {
    session_id: [{ text: session.session_id, kind: "id" }, session.temporary && { text: "temporary", kind: "badge" }],
    state: [
      { text: session.state_text, kind: `badge state-${session.state}` },
      activity && { text: activity, kind: `badge ${activity}` },
    ],
    age_s: [{ text: duration(session.age_s) }],
    client: [
      away
        ? { text: `away for ${duration(session.away_s)}`, kind: "badge warning" }
        : { text: session.connected ? "connected" : "leaving" },
    ],
    worker: lacking
      ? [{ text: "waiting for one", kind: "badge warning" }]
      : [{ text: session.worker || "none" }, session.model && { text: session.model, kind: "detail" }],
    backlog_s: [
      { text: `${session.backlog_s.toFixed(2)} s` },
      behind && { text: "behind", kind: "badge warning" },
    ],
    last_error: session.last_error
      ? [
          { text: session.last_error, kind: "badge bad" },
          { text: `${duration(session.last_error_ago_s)} ago`, kind: "detail" },
        ]
      : [{ text: "none" }],
    turns: [{ text: String(session.turns) }],
    segments: [{ text: String(session.segments) }],
    duplex: [{ text: session.duplex === "barge_in" ? "barge-in" : session.duplex }],
  };
}

/** What a column is sorted by. */
function sortValue(session, key) {
  if (key === "client") return session.away_s ?? -1;
  if (key === "state") return `${session.state_text} ${session.speaking} ${session.answering}`;
  return session[key];
}

function compare(one, other) {
  return typeof one === "number" ? one - other : String(one).localeCompare(String(other));
}

export class SessionsTable {
  /** @param {HTMLTableElement} table with a head; it is sorted by age, the oldest first. */
  constructor(table) {
    this._body = table.tBodies[0];
    this._heads = [...table.tHead.querySelectorAll("th")];
    this._rows = new Map(); // by session id
    this._sessions = [];
    this._totals = { max_backlog_s: Infinity };
    this._words = [];
    this._key = "age_s";
    this._descending = true;
    for (const head of this._heads) {
      head.querySelector("button").addEventListener("click", () => this._sortBy(head));
    }
    this._showSort();
  }

  /** Take what the server says now. Returns how many of the sessions are shown. */
  update(sessions, totals) {
    this._sessions = sessions;
    this._totals = totals;
    return this._render();
  }

  /** Show only sessions in which each of these words is found. Returns how many there are. */
  filter(text) {
    this._words = text.toLowerCase().split(/\s+/).filter(Boolean);
    return this._render();
  }

  _sortBy(head) {
    const key = head.dataset.key;
    // A column begins with what an operator looks for: the most of a number, and the alphabet of a text.
    this._descending = key === this._key ? !this._descending : "numeric" in head.dataset || key === "client";
    this._key = key;
    this._showSort();
    this._render();
  }

  _showSort() {
    for (const head of this._heads) {
      if (head.dataset.key === this._key) {
        head.setAttribute("aria-sort", this._descending ? "descending" : "ascending");
      } else {
        head.removeAttribute("aria-sort");
      }
    }
  }

  _render() {
    const shown = [];
    for (const session of this._sessions) {
      const cells = describe(session, this._totals);
      const text = Object.values(cells).flat().filter(Boolean).map((part) => part.text).join(" ").toLowerCase();
      if (this._words.every((word) => text.includes(word))) shown.push({ session, cells });
    }
    const sign = this._descending ? -1 : 1;
    shown.sort(
      (one, other) =>
        sign * compare(sortValue(one.session, this._key), sortValue(other.session, this._key)) ||
        compare(one.session.session_id, other.session.session_id),
    );
    const ids = new Set(shown.map(({ session }) => session.session_id));
    for (const [id, row] of this._rows) {
      if (!ids.has(id)) {
        row.remove();
        this._rows.delete(id);
      }
    }
    const rows = shown.map(({ session, cells }) => this._row(session.session_id, cells));
    rows.forEach((row, place) => {
      if (this._body.children[place] !== row) this._body.insertBefore(row, this._body.children[place] ?? null);
    });
    return rows.length;
  }

  _row(id, cells) {
    let row = this._rows.get(id);
    if (row === undefined) {
      row = document.createElement("tr");
      row.setAttribute("role", "row");
      for (const head of this._heads) {
        const cell = document.createElement("td");
        cell.setAttribute("role", "cell");
        cell.dataset.key = head.dataset.key;
        cell.dataset.label = head.textContent;
        row.append(cell);
      }
      this._rows.set(id, row);
    }
    for (const cell of row.children) fill(cell, cells[cell.dataset.key].filter(Boolean));
    return row;
  }
}

/** Put these parts into an element, unless they are there already. */
export function fill(element, parts) {
  const same =
    element.children.length === parts.length &&
    parts.every(
      (part, place) =>
        element.children[place].textContent === part.text && element.children[place].className === (part.kind ?? ""),
    );
  if (same) return;
  element.replaceChildren(
    ...parts.flatMap((part) => {
      const span = document.createElement("span");
      span.className = part.kind ?? "";
      span.textContent = part.text;
      return [span, " "];
    }),
  );
}
