// A job on the server, from the request to its result:
//
//   post --202--> follow: the event stream; where that fails, polling between attempts at it --> result
//     \ cancelled by the designer at any point: DELETE in the background; whatever arrives later is not looked at
import { eventReader } from './events';
import { isObject, type Answered, type PathOf, type Sent, type components } from './api';
import { Cancelled, Refusal, type Server } from './server';

const kPostSeconds = 120; // the API's own
const kAskSeconds = 15;
const kSilenceSeconds = 45; // the server sends a comment every 30 s or sooner
const kStreamsMax = 4; // broken ones without any news; then polling only
const kPollSeconds = { first: 2, most: 10 }; // many may share an address, and its limit
const kLostSeconds = 120; // nothing heard: give up
const kWholeSeconds = 1800;

export interface Progress {
  share: number | null; // 0 to 100
  text: string;
  trouble?: boolean; // the connection is lost; it is being tried again
}

// What is done as a job where the client prefers that, and what comes of it.
export type JobPath = {
  [P in PathOf<'post'>]: Answered<'post', P, 202> extends components['schemas']['AcceptedJob'] ? P : never;
}[PathOf<'post'>];

interface Job {
  status: string;
  progress: number;
  message: string;
  result: unknown;
  error: { code: string; message: string } | null;
}

const kEnded = ['completed', 'failed', 'cancelled'];

// A job as GET answers it, or an event about one; null where it is neither.
function readJob(value: unknown): Job | null {
  if (!isObject<components['schemas']['ShownJob'] & { message?: string }>(value) || typeof value.status !== 'string') return null;
  const { status, progress, error } = value;
  const message = value.message ?? value.progressMessage;
  const wrong = isObject(error) ? { code: String(error.code), message: String(error.message) } : null;
  return {
    status,
    progress: typeof progress === 'number' ? Math.min(Math.max(progress, 0), 100) : 0,
    message: typeof message === 'string' ? message.slice(0, 200) : '',
    result: value.result ?? null,
    error: wrong,
  };
}

function progressOf(job: Job): Progress {
  if (job.status === 'queued')
    return { share: null, text: job.message ? `Waiting: ${job.message}` : 'Waiting for its turn' };
  return { share: job.progress, text: job.message || 'The server is at work' };
}

function wait(seconds: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = (): void => (clearTimeout(timer), reject(new Cancelled()));
    const timer = setTimeout(() => (signal?.removeEventListener('abort', stop), resolve()), seconds * 1000);
    signal?.addEventListener('abort', stop, { once: true });
  });
}

// Not crypto.randomUUID, which some pages of a null origin lack.
const randomKey = (): string =>
  [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, '0')).join('');

// Sent again once where the connection broke: the key makes that the same job.
async function post(server: Server, path: JobPath, body: string): Promise<string> {
  const headers = { 'Content-Type': 'application/json', Prefer: 'respond-async', 'Idempotency-Key': randomKey() };
  const send = (): Promise<{ readonly jobId?: unknown }> =>
    server.json('post', path, { headers, body, seconds: kPostSeconds });
  const reply = await send().catch(async (error: unknown) => {
    if (!(error instanceof Refusal) || error.code !== 'unreachable') throw error;
    await wait(1);
    return send();
  });
  const id = reply.jobId;
  if (typeof id !== 'string' || !/^[0-9a-f-]{36}$/i.test(id)) throw server.refusal('stranger');
  return id;
}

// The job may have ended already, or the server be away for a moment.
async function cancel(server: Server, id: string): Promise<void> {
  for (const pause of [0, 1, 3, 9]) {
    try {
      if (pause) await wait(pause);
      await server.json('delete', '/api/jobs/{id}', { id, seconds: kAskSeconds });
      return;
    } catch (error) {
      if (!(error instanceof Refusal) || !error.passing) return;
    }
  }
}

async function follow(
  server: Server,
  id: string,
  signal: AbortSignal,
  tell: (progress: Progress) => void,
): Promise<Job> {
  let [lastId, broken, pause] = ['', 0, kPollSeconds.first];
  const begun = Date.now();
  let heard = begun;

  const learn = (value: unknown): Job | null => {
    const job = readJob(value);
    if (!job) return null;
    heard = Date.now();
    if (kEnded.includes(job.status)) return job;
    if (!signal.aborted) tell(progressOf(job));
    return null;
  };

  const watch = async (): Promise<Job | null> => {
    let end: Job | null = null;
    const read = eventReader((event) => {
      lastId = event.id;
      // One that was displaced would displace another of ours in turn.
      broken = event.name === 'displaced' ? kStreamsMax : 0;
      // An ended job's snapshot is followed by its last event, which alone is sure to have the result.
      const job = learn(JSON.parse(event.data));
      if (job && event.name !== 'snapshot') end = job;
    });
    const headers = { Accept: 'text/event-stream', ...(lastId && { 'Last-Event-ID': lastId }) };
    await server
      .stream('/api/jobs/{id}/stream', { id, headers, seconds: kSilenceSeconds, signal }, read)
      .catch((error: unknown) => {
        if (!end) throw error;
      });
    return end;
  };

  for (;;) {
    try {
      if (broken < kStreamsMax) {
        ++broken;
        const job = await watch();
        if (job) return job;
      }
    } catch (error) {
      if (error instanceof Cancelled) throw error; // any other: polling tells what is the matter
    }
    try {
      const job = learn(await server.json('get', '/api/jobs/{id}', { id, seconds: kAskSeconds, signal }));
      if (job) return job;
    } catch (error) {
      const gone = Date.now() - heard > kLostSeconds * 1000;
      if (!(error instanceof Refusal) || !error.passing || gone) throw error;
      const lost = error.code === 'unreachable' || error.code === 'slow';
      tell({
        share: null,
        text: `${lost ? 'The connection is lost' : 'The server is busy'}; trying again`,
        trouble: true,
      });
      pause = Math.max(pause, Math.min(error.retryAfter ?? 0, 60));
    }
    if (Date.now() - begun > kWholeSeconds * 1000) throw server.refusal('slow');
    await wait(pause, signal);
    pause = Math.min(pause * 1.25, kPollSeconds.most);
  }
}

// The body of such a request.
export const asJson = <P extends JobPath>(_: P, body: Sent<'post', P>): string => JSON.stringify(body);

// The job's result. Throws Cancelled, at once, when `signal` aborts; Refusal when there is no result.
export async function runJob(
  server: Server,
  path: JobPath,
  body: string, // as asJson() writes it
  signal: AbortSignal,
  tell: (progress: Progress) => void,
): Promise<unknown> {
  if (signal.aborted) throw new Cancelled();
  const posted = post(server, path, body);
  const aborted = new Promise<never>((_, reject) => {
    const stop = (): void => {
      reject(new Cancelled());
      posted.then((id) => cancel(server, id)).catch(() => undefined); // it was never accepted
    };
    signal.addEventListener('abort', stop, { once: true });
  });
  const followed = posted.then((id) => follow(server, id, signal, tell));
  followed.catch(() => undefined); // heard below, unless the designer cancelled
  const job = await Promise.race([followed, aborted]);
  if (job.status === 'failed') throw server.refusal(job.error?.code ?? 'internal', job.error?.message);
  if (job.status === 'cancelled') throw server.refusal('cancelled');
  if (job.result === null) throw new Refusal('expired', 'The server no longer has the result; try again.');
  return job.result;
}
