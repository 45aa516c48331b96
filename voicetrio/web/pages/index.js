// The page `/`: one call, its transcript, and how long its answers took. It only listens to the widget.

import "../voicetrio-call.js";
import { livekitUrl, logSession, roomOf, setText } from "./session.js";
import { Timings } from "./timings.js";
import { Transcript } from "./transcript.js";

const byId = (id) => document.getElementById(id);
const call = byId("call");
const transport = byId("transport");

const transcript = new Transcript(byId("transcript"), byId("transcript-empty"));
call.addEventListener("voicetrio-transcript", (event) => transcript.show(event.detail));

const timings = new Timings(byId("timings"), byId("timings-bar"), byId("timings-summary"));
call.addEventListener("voicetrio-timings", (event) => timings.add(event.detail));

setText(byId("session"), call.sessionId); // it has one before it is called
call.addEventListener("voicetrio-session", ({ detail }) => {
  logSession(detail);
  setText(byId("session"), detail.sessionId);
  setText(byId("room"), roomOf(detail));
});

call.addEventListener("voicetrio-state", ({ detail: { state } }) => {
  if (state === "connecting") {
    transcript.beginCall();
    setText(byId("session"), call.sessionId);
  }
  transport.disabled = !["idle", "ended", "error"].includes(state); // a call keeps the way it was joined
  byId("typing").disabled = !["listening", "hearing", "thinking", "speaking", "hold"].includes(state);
});

transport.hidden = livekitUrl() === "";
transport.addEventListener("change", (event) => {
  if (event.target.value === "livekit") call.setAttribute("livekit-url", livekitUrl());
  else call.removeAttribute("livekit-url");
});

byId("type").addEventListener("submit", (event) => {
  event.preventDefault();
  if (call.send(byId("message").value.trim())) event.target.reset();
});
