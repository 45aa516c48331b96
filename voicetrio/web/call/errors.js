/** What can go wrong, in words for the person who calls, and what they can do about it. */

/** @typedef {{code: string, text: string}} Trouble */

/** @type {Record<string, string>} */
const TEXTS = {
  microphone_denied: "The microphone is not allowed here. Allow it for this page in your browser, and try again.",
  microphone_missing: "No microphone was found. Plug one in, and try again.",
  microphone_busy: "The microphone cannot be used. Another program may have it.",
  microphone_lost: "The microphone is gone. Plug it in, and press “Use microphone”.",
  insecure_page: "Browsers give the microphone to secure pages only. Open this page with https.",
  browser_too_old: "This browser cannot make calls. A newer one can.",
  sound_blocked: "Your browser keeps the sound off until you click on this page or press a key.",
  unreachable: "The server cannot be reached. Try again in a moment.",
  server_busy: "The server is busy. Try again in a moment.",
  server_stopping: "The server is being restarted. Try again in a moment.",
  server_fault: "Something went wrong on the server. Please call again.",
  connection_lost: "The connection was lost, and did not come back. Please call again.",
  call_lost: "The server has lost this call. Please call again.",
  taken_over: "This call goes on in another window.",
  unauthorized: "You are not signed in for calls on this server.",
  timed_out: "The call has ended: nothing was said for a while.",
  slow_connection: "Your connection is too slow for a call.",
  answer_lost: "The connection was cut, and a part of the answer was lost with it.",
  answer_broken: "The answer broke off before its end.",
  answer_damaged: "Something in the answer could not be read.",
  answer_unspoken: "The rest of the answer is only written.",
  lines_lost: "Some lines of this conversation were lost with the connection.",
  message_uncertain: "Your last message may not have arrived. If there is no answer, send it again.",
  audio_lost: "Some of what you said was lost. Please say it again.",
  no_answer: "There is no answer right now. Please say it again.",
  no_speech: "The answer could not be spoken.",
  bad_settings: "The server does not accept this call's settings.",
  nobody_there: "Nobody has answered yet.",
  token_refused: "The server gave no permission to join the room.",
  client_missing: "A part of the call could not be loaded. Try again in a moment.",
};

/**
 * @param {string} code
 * @returns {Trouble}
 */
export function trouble(code) {
  return { code, text: TEXTS[code] ?? TEXTS.server_fault };
}

/** An error that ends a call, or does not let it begin. */
export class CallError extends Error {
  /** @param {string} code @param {unknown} [cause] */
  constructor(code, cause) {
    super(trouble(code).text, { cause });
    this.name = "CallError";
    this.code = code;
  }
}

/**
 * Of what `getUserMedia` threw.
 * @param {unknown} error
 */
export function microphoneError(error) {
  const name = error instanceof Error ? error.name : "";
  /** @type {Record<string, string>} */
  const codes = {
    NotAllowedError: "microphone_denied",
    SecurityError: "microphone_denied",
    NotFoundError: "microphone_missing",
    OverconstrainedError: "microphone_missing",
  };
  return new CallError(codes[name] ?? "microphone_busy", error);
}

/**
 * What the end of a connection means; null: it was cut, and the session may still be there.
 * @param {number} code the WebSocket's close code
 * @param {string} reason of `session.closed`, if it came
 * @returns {{error: boolean} & Trouble | null}
 */
export function closing(code, reason) {
  if (reason === "overloaded") return { error: true, ...trouble("server_busy") };
  if (reason === "going_away") return { error: true, ...trouble("server_stopping") };
  if (reason === "slow_client") return { error: true, ...trouble("slow_connection") };
  if (reason === "timed_out" || code === 4408) return { error: false, ...trouble("timed_out") };
  if (reason === "internal_error" || code === 1011) return { error: true, ...trouble("server_fault") };
  if (code === 1013) return { error: true, ...trouble("server_busy") };
  if (code === 4401) return { error: true, ...trouble("unauthorized") };
  if (code === 4409) return { error: true, ...trouble("taken_over") };
  if (reason !== "" || code === 1000) return { error: false, code: "ended", text: "" };
  // Something in the middle gave up (see voicetrio/cli/native_errors.py); all other codes are a judgement.
  return [1001, 1005, 1006, 1012, 1014].includes(code) ? null : { error: true, ...trouble("server_fault") };
}

/** What the server's `error`s mean to the listener; null: nothing. @type {Record<string, string | null>} */
const SERVER_TROUBLES = {
  overloaded: "server_busy",
  agent_busy: "server_busy",
  agent_bad_session_id: null, // the session goes on under its own name
  agent_tool_call: null, // and there is an answer
  agent_malformed: "answer_damaged",
  agent_broken: "answer_broken",
  agent_answer_too_long: "answer_broken",
  agent_event_too_large: "answer_broken",
  agent_filtered: "answer_broken",
  reply_too_long: "answer_unspoken",
  too_many_messages: "no_answer",
  final_timeout: "audio_lost",
  messages_lost: "lines_lost",
};

/** The same for whole families, by how their codes begin. */
const FAMILIES = { agent_: "no_answer", tts_: "no_speech", recognizer_: "audio_lost", worker_: "audio_lost" };

/**
 * What an `error` of the server means to the listener; null: nothing.
 * @param {string} code
 * @returns {Trouble | null}
 */
export function serverTrouble(code) {
  const family = Object.entries(FAMILIES).find(([start]) => code.startsWith(start));
  const meaning = Object.hasOwn(SERVER_TROUBLES, code) ? SERVER_TROUBLES[code] : (family?.[1] ?? null);
  return meaning === null ? null : trouble(meaning);
}
