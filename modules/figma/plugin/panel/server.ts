// Requests to the server. Every one has a deadline; every failure is a Refusal, whose message is a sentence to be
// shown.
import { isObject, pathOf, type Answered, type Method, type PathOf, type Unchecked, type components } from './api';
import { sentenceFor, type ApiError } from './sentences';

const kPassing = ['unreachable', 'slow', 'rate_limited', 'unavailable', 'request_timeout', 'internal'];

export class Cancelled extends Error {} // by the designer

export class Refusal extends Error {
  constructor(
    readonly code: string,
    sentence: string,
    readonly retryAfter: number | null = null, // seconds
  ) {
    super(sentence);
  }
  // Whether asking again may help.
  get passing(): boolean {
    return kPassing.includes(this.code);
  }
}

export interface Call {
  id?: string; // of the path
  headers?: Record<string, string>;
  body?: string; // JSON
  seconds: number; // for all of it, or with `stream` for each silence
  signal?: AbortSignal | undefined;
}

function errorOf(text: string, status: number): ApiError {
  let value: unknown = null;
  try {
    value = JSON.parse(text);
  } catch {
    // some other server's page
  }
  if (!isObject<components['schemas']['ErrorBody']>(value) || typeof value.error !== 'string') {
    return { code: status >= 500 ? 'internal' : 'stranger', message: '', retryAfter: null, requestId: '' };
  }
  const { error, message, retryAfter, requestId } = value;
  return {
    code: error,
    message: typeof message === 'string' ? message : '',
    retryAfter: typeof retryAfter === 'number' && retryAfter >= 0 && retryAfter < 86_400 ? retryAfter : null,
    requestId: typeof requestId === 'string' ? requestId.slice(0, 128) : '',
  };
}

export class Server {
  constructor(
    readonly address: string, // without a slash at its end
    private readonly token: string,
  ) {}

  refusal(code: string, message = ''): Refusal {
    return new Refusal(code, sentenceFor({ code, message, retryAfter: null, requestId: '' }, this.address));
  }

  // The JSON of a 2xx reply.
  async json<M extends Method, P extends PathOf<M>>(
    method: M,
    path: P,
    call: Call,
  ): Promise<Unchecked<Answered<M, P, 200 | 202>>> {
    const text = await this.fetched(method, pathOf<M>(path, call.id), call, (response) => response.text());
    let value: unknown = null;
    try {
      value = JSON.parse(text);
    } catch {
      // some other server's page
    }
    if (!isObject<Answered<M, P, 200 | 202>>(value)) throw this.refusal('stranger');
    return value;
  }

  // Calls `take` with each part of the reply's text until it ends.
  stream(path: PathOf<'get'>, call: Call, take: (part: string) => void): Promise<void> {
    return this.fetched('get', pathOf<'get'>(path, call.id), call, async (response, alive) => {
      const reader = response.body?.getReader();
      const decoder = new TextDecoder();
      for (let part = await reader?.read(); part && !part.done; part = await reader?.read()) {
        alive();
        take(decoder.decode(part.value, { stream: true }));
      }
    });
  }

  private async fetched<T>(
    method: Method,
    path: string,
    call: Call,
    read: (response: Response, alive: () => void) => Promise<T>,
  ): Promise<T> {
    const { signal, seconds, headers, body } = call;
    if (signal?.aborted) throw new Cancelled();
    const stop = new AbortController();
    const abort = (): void => stop.abort();
    let [timer, late] = [0, false];
    const alive = (): void => {
      clearTimeout(timer);
      timer = window.setTimeout(() => ((late = true), abort()), seconds * 1000);
    };
    signal?.addEventListener('abort', abort);
    alive();
    try {
      const response = await fetch(this.address + path, {
        method: method.toUpperCase(),
        ...(body !== undefined && { body }),
        headers: { ...headers, ...(this.token && { Authorization: `Bearer ${this.token}` }) },
        signal: stop.signal,
        credentials: 'omit',
        cache: 'no-store',
        referrerPolicy: 'no-referrer',
        keepalive: method === 'delete', // may be the last word of a plugin that is being closed
      });
      if (!response.ok) {
        const error = errorOf(await response.text(), response.status);
        throw new Refusal(error.code, sentenceFor(error, this.address), error.retryAfter);
      }
      return await read(response, alive);
    } catch (error) {
      if (error instanceof Refusal) throw error;
      if (signal?.aborted) throw new Cancelled();
      throw this.refusal(late ? 'slow' : 'unreachable');
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener('abort', abort);
      stop.abort(); // ends a stream that was left early
    }
  }
}
