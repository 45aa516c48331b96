// What the pages show of a session, whichever way it is joined.

/** Address of the LiveKit server that the operator has configured, or "". */
export function livekitUrl() {
  return document.querySelector('meta[name="voicetrio-livekit-url"]').content;
}

/**
 * The room of a session. A WebSocket session has no room beside itself: nobody else can be in it, so it is its own.
 * @param {{sessionId: string, room: string | null}} session
 */
export function roomOf({ sessionId, room }) {
  return room ?? sessionId;
}

/** Tell the console who joined what, for those who look whether two people ever share a room. */
export function logSession(detail) {
  console.info(`🆔 Unique session ID: ${detail.sessionId}`);
  console.info(`🏠 Using room: ${roomOf(detail)}`);
}

/** Put the text into the element unless it is there: what did not change is not laid out, selected or read out anew. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}
