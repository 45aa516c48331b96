/** The `Player` of a page that cannot sound, as it is not secure or its browser too old: answers are read. */
export class NoPlayer {
  sound = { playing: false, paused: false };
  level = 0;
  position = null;
  heard = null;

  begin() {}
  goOn() {}
  feed() {}
  end() {}
  settle() {}
  pause() {}
  resume() {}
  pauseAll() {}
  resumeAll() {}
  flush() {}
  flushAll() {}
  close() {}
}
