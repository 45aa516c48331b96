/** A token with which one room can be joined, from an endpoint as LiveKit's own clients know it. */

import { CallError } from "./errors.js";

/** Milliseconds for the token: it is made without asking anybody. */
const TOKEN_MS = 10_000;

/**
 * Throws a `CallError` in plain words.
 * @param {string} url of the token endpoint
 * @param {string} room
 * @param {AbortSignal} signal
 * @returns {Promise<{server_url: string, participant_token: string}>}
 */
export async function askForToken(url, room, signal) {
  /** @type {Response} */ let response;
  try {
    response = await fetch(url, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ room_name: room }),
      cache: "no-store",
      credentials: "same-origin",
      signal: AbortSignal.any([signal, AbortSignal.timeout(TOKEN_MS)]),
    });
  } catch (error) {
    throw new CallError("unreachable", error);
  }
  if (response.status === 429) throw new CallError("server_busy");
  if (!response.ok) throw new CallError("token_refused");
  const answer = await response.json().catch(() => ({}));
  if (typeof answer.participant_token !== "string") throw new CallError("token_refused");
  return answer;
}
