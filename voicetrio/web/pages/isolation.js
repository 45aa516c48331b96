// The page `/isolation`: three callers, and a look at every event whether it belongs to whom it came to.

import "../voicetrio-call.js";
import { livekitUrl, logSession, roomOf, setText } from "./session.js";
import { Belongings } from "./belongings.js";

const COUNT = 3;
const template = document.getElementById("caller");
const belongings = new Belongings();
const callers = Array.from({ length: COUNT }, (_, index) => makeCaller(`Caller ${index + 1}`));

function makeCaller(name) {
  const card = template.content.cloneNode(true).querySelector("article");
  const call = card.querySelector("voicetrio-call");
  const show = (what, text) => setText(card.querySelector(`.${what}`), String(text));
  const caller = { name, sessionId: null, room: null, events: 0, foreign: 0 };
  card.querySelector("h2").textContent = name;
  call.setAttribute("label", `Call as ${name.toLowerCase()}`);
  if (usesLiveKit()) call.setAttribute("livekit-url", livekitUrl());

  call.addEventListener("voicetrio-session", ({ detail }) => {
    logSession(detail);
    caller.sessionId = detail.sessionId;
    caller.room = roomOf(detail);
    show("session", caller.sessionId);
    show("room", caller.room);
    judge();
  });
  call.addEventListener("voicetrio-message", ({ detail }) => {
    caller.events += 1;
    if (!belongings.claim(caller, detail)) caller.foreign += 1;
    show("events", caller.events);
    show("foreign", caller.foreign);
    card.classList.toggle("broken", caller.foreign > 0);
    if (caller.foreign > 0) judge();
  });
  document.getElementById("callers").append(card);
  show("session", call.sessionId); // each widget has made its own, before any call
  return caller;
}

function usesLiveKit() {
  return livekitUrl() !== "" && new URLSearchParams(location.search).has("livekit");
}

function judge() {
  const joined = callers.filter((caller) => caller.room !== null);
  const different = (key) => new Set(joined.map((caller) => caller[key])).size === joined.length;
  const foreign = callers.reduce((sum, caller) => sum + caller.foreign, 0);
  const sound = different("sessionId") && different("room") && foreign === 0;
  const verdict = document.getElementById("verdict");
  verdict.className = `verdict ${sound ? "sound" : "broken"}`;
  if (!sound) {
    setText(verdict, foreign > 0 ? "An event reached a caller it was not meant for." : "Two callers are in one room.");
  } else if (joined.length < COUNT) {
    setText(verdict, `${joined.length} of ${COUNT} have joined, each in a room of its own.`);
  } else {
    setText(verdict, `${COUNT} sessions in ${COUNT} different rooms. No event has reached anybody else.`);
  }
}

const other = document.getElementById("livekit");
if (livekitUrl() !== "") {
  const link = document.createElement("a");
  link.href = usesLiveKit() ? "/isolation" : "/isolation?livekit";
  link.textContent = usesLiveKit() ? "The same over WebSockets" : "The same in LiveKit rooms";
  other.append(link);
  other.hidden = false;
}
