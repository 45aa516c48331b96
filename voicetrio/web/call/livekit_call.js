/**
 * A call in a LiveKit room of its own: it asks for a token, joins, gives the microphone, and plays what it hears there.
 *
 * LiveKit's client does the work; it is loaded when the first such call is made, from our own copy.
 */

import { CallError, trouble } from "./errors.js";
import { LevelMeter } from "./level_meter.js";
import { askForToken } from "./livekit_token.js";

/** Milliseconds for an agent to come into the room, before the caller is told that nobody has. */
const AGENT_MS = 15_000;

/** Attributes and topics, as LiveKit's agents use them. */
const AGENT_STATE = "lk.agent.state";
const TRANSCRIPTION = "lk.transcription";
const CHAT = "lk.chat";

/** @type {Record<string, import("./states.js").State>} */
const STATES = { idle: "listening", listening: "listening", thinking: "thinking", speaking: "speaking" };

/** @returns {Promise<any>} the module */
function loadClient() {
  return import("../vendor/livekit-client/livekit-client.esm.mjs").catch((error) => {
    throw new CallError("client_missing", error);
  });
}

export class LiveKitCall {
  #context;
  /** @type {MediaStream | null} */ #stream = null;
  #options;
  #events;
  #giveUp = new AbortController();
  /** @type {any} LiveKit's module */ #sdk = null;
  /** @type {any} */ #room = null;
  /** @type {any} */ #published = null;
  #muted = false;
  #joined = false;
  #cut = false;
  #over = false;
  #agentState = "";
  #agentTimer = 0;
  /** @type {AudioNode | null} */ #source = null;
  /** @type {LevelMeter | null} */ #microphoneMeter = null;
  /** @type {LevelMeter | null} */ #speakerMeter = null;
  /** @type {Map<any, {element: HTMLMediaElement, source: AudioNode}>} */ #heard = new Map();

  /**
   * @param {AudioContext | null} context null: this page cannot sound
   * @param {MediaStream | null} stream ours from now on; null: without a microphone
   * @param {{livekitUrl: string, tokenUrl: string, sessionId: string, room: string}} options
   * @param {import("./native_call.js").CallEvents} events
   */
  constructor(context, stream, options, events) {
    this.#context = context;
    this.#options = options;
    this.#events = events;
    if (context !== null) {
      this.#microphoneMeter = new LevelMeter(context);
      this.#speakerMeter = new LevelMeter(context);
      this.#speakerMeter.node.connect(context.destination);
    }
    if (stream !== null) this.#take(stream);
    this.#join().catch((error) => {
      const code = error instanceof CallError ? error.code : "unreachable";
      this.#end({ error: true, ...trouble(code) });
    });
  }

  /** @returns {import("./states.js").State} */
  get state() {
    if (!this.#joined) return "connecting";
    if (this.#cut) return "reconnecting";
    const state = STATES[this.#agentState] ?? (this.#room.remoteParticipants.size > 0 ? "listening" : "connecting");
    if (state !== "listening") return state;
    if (this.microphone !== "on") return this.microphone === "muted" ? "muted" : "typing";
    return this.#room.localParticipant.isSpeaking ? "hearing" : "listening";
  }

  /** @returns {import("./states.js").MicrophoneUse} */
  get microphone() {
    if (this.#stream === null) return "none";
    return this.#muted ? "muted" : "on";
  }

  get levels() {
    return { microphone: this.#microphoneMeter?.rms ?? 0, speaker: this.#speakerMeter?.rms ?? 0 };
  }

  /** @param {boolean} muted */
  set muted(muted) {
    this.#muted = muted;
    for (const track of this.#stream?.getAudioTracks() ?? []) track.enabled = !muted;
    // So that the others in the room know.
    if (muted) this.#published?.mute();
    else this.#published?.unmute();
  }

  /** Give the room a microphone from now on. @param {MediaStream} stream ours from now on */
  listen(stream) {
    if (this.#over || this.#stream !== null || this.#context === null) {
      for (const track of stream.getTracks()) track.stop();
      return;
    }
    this.#take(stream);
    this.muted = this.#muted;
    if (this.#joined) this.#publish().catch(() => this.#loseMicrophone());
  }

  /** LiveKit's agents have no word for it, so that there is no button; what is typed interrupts them. */
  stop() {}

  /** A typed message to the agent. Returns whether it was sent. @param {string} text */
  send(text) {
    if (!this.#joined || this.#over) return false;
    this.#room.localParticipant.sendText(text, { topic: CHAT }).catch(() => this.#events.onTrouble(trouble("no_answer")));
    return true;
  }

  close() {
    this.#end({ error: false, code: "ended", text: "" });
  }

  abort() {
    this.close();
  }

  async #join() {
    const { tokenUrl, livekitUrl, room: name, sessionId } = this.#options;
    const [sdk, token] = await Promise.all([loadClient(), askForToken(tokenUrl, name, this.#giveUp.signal)]);
    if (this.#over) return;
    sdk.setLogLevel("silent"); // what goes wrong is told to the person, and not to the console
    this.#sdk = sdk;
    this.#room = new sdk.Room({ disconnectOnPageLeave: true, stopLocalTrackOnUnpublish: false });
    this.#listen(sdk.RoomEvent);
    await this.#room.connect(token.server_url || livekitUrl, token.participant_token);
    if (this.#over) return;
    this.#joined = true;
    this.#events.onSession({ sessionId, room: this.#room.name || name, transport: "livekit" });
    this.#agentTimer = setTimeout(() => this.#missAgent(), AGENT_MS);
    for (const participant of this.#room.remoteParticipants.values()) this.#noteAgent(participant);
    if (this.#stream !== null) await this.#publish();
  }

  async #publish() {
    const [track] = /** @type {MediaStream} */ (this.#stream).getAudioTracks();
    const source = this.#sdk.Track.Source.Microphone;
    const publication = await this.#room.localParticipant.publishTrack(track, { source });
    this.#published = publication.track;
    if (this.#muted) this.#published?.mute();
  }

  /** @param {MediaStream} stream */
  #take(stream) {
    this.#stream = stream;
    if (this.#context !== null && this.#microphoneMeter !== null) {
      this.#source = this.#context.createMediaStreamSource(stream);
      this.#source.connect(this.#microphoneMeter.node);
    }
    for (const track of stream.getAudioTracks()) track.onended = () => this.#loseMicrophone();
  }

  /** The call goes on: by typing, or with another one. */
  #loseMicrophone() {
    const [track] = this.#stream?.getTracks() ?? [];
    this.#dropStream();
    if (track !== undefined) this.#room?.localParticipant.unpublishTrack(track, true);
    this.#published = null;
    this.#events.onTrouble(trouble("microphone_lost"));
  }

  #dropStream() {
    for (const track of this.#stream?.getTracks() ?? []) {
      track.onended = null;
      track.stop();
    }
    this.#stream = null;
    this.#source?.disconnect();
    this.#source = null;
  }

  /** @param {any} RoomEvent */
  #listen(RoomEvent) {
    this.#room
      .on(RoomEvent.TrackSubscribed, (/** @type {any} */ track) => this.#play(track))
      .on(RoomEvent.TrackUnsubscribed, (/** @type {any} */ track) => this.#silence(track))
      .on(RoomEvent.ParticipantConnected, (/** @type {any} */ participant) => this.#noteAgent(participant))
      .on(RoomEvent.ParticipantAttributesChanged, (/** @type {any} */ _, /** @type {any} */ participant) => {
        if (participant !== this.#room.localParticipant) this.#noteAgent(participant);
      })
      .on(RoomEvent.SignalReconnecting, () => (this.#cut = true))
      .on(RoomEvent.Reconnecting, () => (this.#cut = true))
      .on(RoomEvent.Reconnected, () => (this.#cut = false))
      .on(RoomEvent.Disconnected, (/** @type {number} */ reason) => this.#disconnected(reason));
    this.#room.registerTextStreamHandler(TRANSCRIPTION, (/** @type {any} */ reader, /** @type {any} */ from) => {
      this.#read(reader, from.identity).catch(() => undefined); // a line that breaks off stays as it is
    });
  }

  /** @param {any} participant */
  #noteAgent(participant) {
    this.#agentState = participant.attributes[AGENT_STATE] ?? this.#agentState;
  }

  #missAgent() {
    if (this.#room.remoteParticipants.size === 0) this.#events.onTrouble(trouble("nobody_there"));
  }

  /** @param {any} track */
  #play(track) {
    if (track.kind !== this.#sdk.Track.Kind.Audio || this.#context === null || this.#speakerMeter === null) return;
    // Chromium gives a remote track to a graph only if an element plays it, too.
    const element = track.attach();
    element.muted = true;
    const source = this.#context.createMediaStreamSource(new MediaStream([track.mediaStreamTrack]));
    source.connect(this.#speakerMeter.node);
    this.#heard.set(track, { element, source });
  }

  /** @param {any} track */
  #silence(track) {
    this.#heard.get(track)?.source.disconnect();
    this.#heard.delete(track);
    for (const element of track.detach()) element.remove();
  }

  /** A line of text that comes in parts. @param {any} reader @param {string} identity */
  async #read(reader, identity) {
    const attributes = reader.info.attributes ?? {};
    const own = identity === this.#room.localParticipant.identity;
    const ours = own || (this.#published?.sid && attributes["lk.transcribed_track_id"] === this.#published.sid);
    const final = attributes["lk.transcription_final"] === "true";
    const line = {
      id: attributes["lk.segment_id"] ?? reader.info.id,
      who: /** @type {"you"|"agent"} */ (ours ? "you" : "agent"),
      text: "",
      tentative: "",
      final: false,
      interrupted: false,
      heard: null,
      reason: "",
    };
    for await (const part of reader) {
      if (ours && !final) line.tentative += part;
      else line.text += part;
      this.#events.onLines([{ ...line }]);
    }
    if (final || !ours) this.#events.onLines([{ ...line, final: true }]);
  }

  /** @param {number} reason */
  #disconnected(reason) {
    const { DisconnectReason } = this.#sdk;
    const codes = new Map([
      [DisconnectReason.DUPLICATE_IDENTITY, "taken_over"],
      [DisconnectReason.SERVER_SHUTDOWN, "server_stopping"],
    ]);
    const orderly = [
      DisconnectReason.CLIENT_INITIATED,
      DisconnectReason.ROOM_DELETED,
      DisconnectReason.ROOM_CLOSED,
      DisconnectReason.PARTICIPANT_REMOVED,
    ].includes(reason);
    if (orderly) this.close();
    else this.#end({ error: true, ...trouble(codes.get(reason) ?? (this.#joined ? "connection_lost" : "unreachable")) });
  }

  /** @param {{error: boolean, code: string, text: string}} end */
  #end(end) {
    if (this.#over) return;
    this.#over = true;
    clearTimeout(this.#agentTimer);
    this.#giveUp.abort();
    for (const track of [...this.#heard.keys()]) this.#silence(track);
    this.#room?.removeAllListeners();
    this.#room?.disconnect(false).catch(() => undefined);
    this.#dropStream();
    this.#microphoneMeter?.close();
    this.#speakerMeter?.close();
    this.#events.onEnd(end);
  }
}
