// In the place of LiveKit's client: a room that does what the test tells it (`window.room`), with nobody behind it.

const names = ["TrackSubscribed", "TrackUnsubscribed", "ParticipantConnected", "ParticipantAttributesChanged",
  "SignalReconnecting", "Reconnecting", "Reconnected", "Disconnected"];
export const RoomEvent = Object.fromEntries(names.map((name) => [name, name]));
export const DisconnectReason = { CLIENT_INITIATED: 1, DUPLICATE_IDENTITY: 2, SERVER_SHUTDOWN: 3,
  PARTICIPANT_REMOVED: 4, ROOM_DELETED: 5, ROOM_CLOSED: 10 };
export const Track = { Kind: { Audio: "audio" }, Source: { Microphone: "microphone" } };
export const setLogLevel = () => {};
export class Room {
  constructor() {
    window.room = this;
    this.listeners = {};
    this.name = "a-room";
    this.muted = false;
    this.remoteParticipants = new Map();
    this.localParticipant = {
      identity: "me", isSpeaking: false, sent: [],
      publishTrack: async (track, options) => {
        this.published = track;
        return { track: { sid: "TR_me", mute: () => { this.muted = true; }, unmute: () => { this.muted = false; } } };
      },
      sendText: async (text, { topic }) => { this.localParticipant.sent.push([topic, text]); },
    };
  }
  on(name, action) { if (!name) throw new Error("no such event"); this.listeners[name] = action; return this; }
  tell(name, ...values) { this.listeners[name](...values); }
  registerTextStreamHandler(topic, handler) { this.topic = topic; this.handler = handler; }
  async connect(url, token) { this.connected = [url, token]; }
  async disconnect() { this.gone = true; }
  removeAllListeners() { this.listeners = {}; }
  read(text, attributes, identity) {
    const parts = (async function* () { for (const part of text) yield part; })();
    this.handler(Object.assign(parts, { info: { id: "S", attributes } }), { identity });
  }
}
