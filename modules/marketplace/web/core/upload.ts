// A bundle on its way to the server, and the job there that makes a version of it.
import { addressOf, ask, Trouble, troubleIn, unreachable } from './api';

export interface Progress {
  text: string;
  share: number | undefined; // 0 to 1; none: nobody knows
}
export interface Published {
  slug: string;
  version: string;
}

const kSilence = 60_000; // milliseconds without any news until the job is asked for by its own address

// fetch() tells nothing of what was sent.
function send(slug: string, bundle: File, tell: (progress: Progress) => void): Promise<Response> {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open('POST', addressOf('/api/v1/plugins/{slug}/versions', { slug }));
    request.setRequestHeader('Content-Type', 'application/octet-stream');
    request.upload.onprogress = ({ loaded, total }) =>
      tell(loaded < total ? { text: 'Uploading', share: loaded / total } : { text: 'Checking the bundle', share: undefined });
    request.onload = () => resolve(new Response(request.responseText, { status: request.status }));
    request.onerror = () => reject(unreachable());
    request.send(bundle);
  });
}

interface JobNews {
  status: string;
  progress: number;
  message?: string;
  progressMessage?: string;
  result?: Published | null;
  error?: { message: string } | null;
}

const isOver = ({ status }: JobNews): boolean => ['completed', 'failed', 'cancelled'].includes(status);

// Its last news, by its stream; where that is lost, by its own address.
function follow(id: string, tell: (progress: Progress) => void): Promise<JobNews> {
  return new Promise((resolve, reject) => {
    const stream = new EventSource(addressOf('/api/jobs/{id}/stream', { id }));
    let timer: ReturnType<typeof setTimeout>;
    const end = (): void => {
      stream.close();
      clearTimeout(timer);
    };
    const look = async (): Promise<void> => {
      try {
        const job = (await ask('get', '/api/jobs/{id}', { path: { id } })) as unknown as JobNews;
        if (isOver(job)) {
          end();
          resolve(job);
        } else {
          wait();
        }
      } catch (thrown) {
        end();
        reject(thrown as Error);
      }
    };
    const wait = (): void => {
      clearTimeout(timer);
      timer = setTimeout(() => void look(), kSilence);
    };
    const learn = (event: MessageEvent<string>): void => {
      const job = JSON.parse(event.data) as JobNews;
      if (isOver(job)) return void look(); // which alone is sure to have the result
      wait();
      const text = job.message ?? job.progressMessage ?? (job.status === 'queued' ? 'Waiting for its turn' : 'Checking the bundle');
      tell({ text, share: job.progress ? job.progress / 100 : undefined });
    };
    for (const name of ['snapshot', 'queued', 'processing', 'progress', 'completed', 'failed', 'cancelled']) stream.addEventListener(name, learn);
    stream.onerror = () => void (stream.readyState === EventSource.CLOSED && look());
    wait();
  });
}

// Throws a Trouble that says what is wrong with the bundle.
export async function publish(slug: string, bundle: File, tell: (progress: Progress) => void): Promise<Published> {
  tell({ text: 'Uploading', share: 0 });
  const reply = await send(slug, bundle, tell);
  if (!reply.ok) throw await troubleIn(reply);
  const said = (await reply.json()) as { jobId?: string } & Published;
  if (!said.jobId) return said;
  const job = await follow(said.jobId, tell);
  if (job.status !== 'completed' || !job.result) throw new Trouble(job.error?.message ?? 'The upload was cancelled. Send it again.', 422);
  return job.result;
}
