// Whose an event is: the ids of sessions, turns and utterances are random, so one that two callers see has leaked.

const KEYS = ["session_id", "turn_id", "request_id"];
const MAX_IDS = 5000; // hours of talk; the oldest are forgotten

export class Belongings {
  #owners = new Map();

  /**
   * Whether a message is the owner's own. Whoever sees an id first owns it.
   * @param {object} owner anybody, always the same for one caller
   * @param {object} message as the server sent it
   */
  claim(owner, message) {
    let own = true;
    for (const key of KEYS) {
      if (typeof message[key] !== "string") continue;
      const id = `${key} ${message[key]}`;
      const known = this.#owners.get(id);
      if (known === undefined) this.#remember(id, owner);
      else if (known !== owner) own = false;
    }
    return own;
  }

  #remember(id, owner) {
    this.#owners.set(id, owner);
    if (this.#owners.size > MAX_IDS) this.#owners.delete(this.#owners.keys().next().value);
  }
}
