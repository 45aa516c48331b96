// Reads {origin, options} from standard input, asks each endpoint of that server as livekit-client does it, and writes what
// the library has made of the answers, or of a refusal.
import { text } from 'node:stream/consumers';
import { TokenSource } from 'livekit-client';

const { origin, options } = JSON.parse(await text(process.stdin));
const sources = {
  standard: TokenSource.endpoint(`${origin}/v1/livekit/token`),
  document: TokenSource.endpoint(`${origin}/api/token`),
  sandbox: TokenSource.sandboxTokenServer('sandbox-1', { baseUrl: origin }),
};
const answers = {};
for (const [name, source] of Object.entries(sources)) {
  try {
    const { serverUrl, participantToken } = await source.fetch(options);
    answers[name] = { serverUrl, participantToken };
  } catch (error) {
    answers[name] = { error: error.message };
  }
}
process.stdout.write(JSON.stringify(answers));
