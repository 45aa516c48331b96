/**
 * The states of a call: what each is called, which colour it has, and what can be done in it. One table, for the widget and
 * for pages around it.
 */

/**
 * @typedef {"idle"|"connecting"|"listening"|"muted"|"typing"|"hearing"|"thinking"|"speaking"|"paused"|"hold"|"reconnecting"|
 *   "ended"|"error"} State
 */

/** @typedef {"on"|"muted"|"none"} MicrophoneUse "none": the call has no microphone, and is typed */

/**
 * @typedef {object} Look
 * @property {string} text in words; it alone has to tell the state, for those who see no colours
 * @property {"quiet"|"good"|"active"|"warning"|"bad"} tone of the dot beside it
 * @property {boolean} waits the dot pulses: something is on its way
 * @property {boolean} calling a call goes on
 * @property {boolean} canType a message can be sent
 * @property {boolean} canStop there may be an answer to stop
 */

/**
 * @param {string} text
 * @param {Look["tone"]} tone
 * @param {string} flags of "waits", "calling", "canType", "canStop"
 * @returns {Look}
 */
function look(text, tone, flags = "") {
  const has = (/** @type {string} */ flag) => flags.split(" ").includes(flag);
  return { text, tone, waits: has("waits"), calling: has("calling"), canType: has("canType"), canStop: has("canStop") };
}

/** @type {Readonly<Record<State, Look>>} */
export const STATES = Object.freeze({
  idle: look("Ready", "quiet"),
  connecting: look("Connecting", "active", "calling waits"),
  listening: look("Listening", "good", "calling canType"),
  muted: look("Muted. You are not heard", "warning", "calling canType"),
  typing: look("Type your message", "quiet", "calling canType"),
  hearing: look("Hearing you", "active", "calling canType"),
  thinking: look("Thinking", "active", "calling canType canStop waits"),
  speaking: look("Speaking", "active", "calling canType canStop"),
  paused: look("Paused", "warning", "calling canType canStop"),
  hold: look("On hold. Speak to go on", "warning", "calling canType waits"),
  reconnecting: look("Reconnecting", "warning", "calling waits"),
  ended: look("Call ended", "quiet"),
  error: look("Call failed", "bad"),
});

/** What the microphone's button does, which is what it is called. @type {Readonly<Record<MicrophoneUse, string>>} */
export const MICROPHONE_ACTIONS = Object.freeze({ on: "Mute", muted: "Unmute", none: "Use microphone" });

/** What the microphone's meter is called. @type {Readonly<Record<MicrophoneUse, string>>} */
export const MICROPHONE_NAMES = Object.freeze({ on: "You", muted: "You (muted)", none: "You (no microphone)" });
