// The field under the conversation. It can be typed into at any time: a message that nobody is there for yet begins a call
// without a microphone, so neither a microphone nor https is needed to be answered.

import { STATES } from "../voicetrio-call.js";
import { setText } from "./session.js";

const NO_MICROPHONE = ["microphone_denied", "microphone_missing", "microphone_busy", "insecure_page", "browser_too_old"];

export class Typing {
  #call;
  #field;
  #hint;
  #waiting = ""; // typed, and not sent yet
  #failure = ""; // the code of what went wrong last

  /** @param {HTMLElement} call @param {HTMLFormElement} form @param {HTMLInputElement} field @param {HTMLElement} hint */
  constructor(call, form, field, hint) {
    this.#call = call;
    this.#field = field;
    this.#hint = hint;
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#send(field.value.trim());
    });
    call.addEventListener("voicetrio-error", ({ detail }) => {
      this.#failure = detail.code;
    });
    call.addEventListener("voicetrio-state", ({ detail }) => this.#note(detail.state));
  }

  #send(text) {
    if (text === "" || this.#waiting !== "") return;
    this.#field.value = "";
    if (this.#call.send(text)) return;
    this.#waiting = text;
    if (STATES[this.#call.state].calling) this.#tell("Your message will be sent as soon as there is a connection.");
    else this.#call.start({ microphone: false });
  }

  #note(state) {
    if (STATES[state].canType) {
      this.#tell("");
      if (this.#waiting !== "" && this.#call.send(this.#waiting)) this.#waiting = "";
    } else if (!STATES[state].calling) {
      this.#over(state);
    }
  }

  #over(state) {
    const withoutMicrophone = state === "error" && NO_MICROPHONE.includes(this.#failure);
    this.#failure = "";
    const text = this.#waiting;
    this.#waiting = "";
    if (text !== "" && withoutMicrophone) {
      this.#waiting = text;
      // The widget tells the end of one call here; the next one may begin when it has.
      queueMicrotask(() => this.#call.start({ microphone: false }));
    } else if (text !== "") {
      this.#field.value ||= text; // nothing that was typed is lost
    }
    this.#tell(withoutMicrophone && text === "" ? "You can type instead." : "");
  }

  #tell(text) {
    setText(this.#hint, text);
  }
}
