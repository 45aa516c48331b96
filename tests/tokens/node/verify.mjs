// Reads {key, secret, cases: [{token, room}]} from standard input, and writes for each whether a LiveKit server would let
// its bearer into that room: livekit-server-sdk must find the token good, and the grant must be for that very room.
import { text } from 'node:stream/consumers';
import { TokenVerifier } from 'livekit-server-sdk';

const { key, secret, cases } = JSON.parse(await text(process.stdin));
const verifier = new TokenVerifier(key, secret);
const verdicts = [];
for (const { token, room } of cases) {
  try {
    const claims = await verifier.verify(token);
    const admitted = claims.video?.roomJoin === true && claims.video.room === room;
    verdicts.push({ admitted, claims });
  } catch (error) {
    verdicts.push({ admitted: false, error: `${error.code ?? error.name}` });
  }
}
process.stdout.write(JSON.stringify(verdicts));
