// The page `/`: one call, by voice or typed, its conversation, and how long its answers took. It only listens to the widget.

import { STATES } from "../voicetrio-call.js";
import { keepTranscript } from "./kept-transcript.js";
import { livekitUrl, logSession, setText } from "./session.js";
import { Timings } from "./timings.js";
import { Transcript } from "./transcript.js";
import { Typing } from "./typing.js";

const byId = (id) => document.getElementById(id);
const call = byId("call");
const transport = byId("transport");

const transcript = new Transcript(byId("transcript"), byId("transcript-empty"));
keepTranscript(transcript);
const showClear = () => {
  byId("clear").hidden = transcript.empty || STATES[call.state].calling;
};
call.addEventListener("voicetrio-transcript", (event) => {
  transcript.show(event.detail);
  showClear();
});
byId("clear").addEventListener("click", () => {
  transcript.clear();
  showClear();
  byId("message").focus(); // the button goes, and the keyboard stays somewhere
});

const timings = new Timings(byId("timings"), byId("timings-bar"), byId("timings-summary"));
call.addEventListener("voicetrio-timings", (event) => timings.add(event.detail));

call.addEventListener("voicetrio-session", ({ detail }) => {
  logSession(detail);
  setText(byId("session"), detail.sessionId);
  byId("room-fact").hidden = detail.room === null; // a call over a WebSocket has no room beside itself
  setText(byId("room"), detail.room ?? "");
});

call.addEventListener("voicetrio-state", ({ detail: { state } }) => {
  if (state === "connecting") transcript.beginCall();
  transport.disabled = STATES[state].calling; // a call keeps the way it was joined
  showClear();
});
showClear();

transport.hidden = livekitUrl() === "";
transport.addEventListener("change", (event) => {
  if (event.target.value === "livekit") call.setAttribute("livekit-url", livekitUrl());
  else call.removeAttribute("livekit-url");
});

new Typing(call, byId("type"), byId("message"), byId("hint"));
