// The server's API as types: `api` is made from what the routes declare (scripts/dev/web-shell), so the shell does not
// compile where it asks for what is not there, or looks for a field that no reply has.
import type { paths } from 'api';

export type Method = 'get' | 'post' | 'put' | 'patch' | 'delete';
export type PathOf<M extends Method> = { [P in keyof paths]: paths[P][M] extends object ? P : never }[keyof paths];

type Json<T> = T extends { content: { 'application/json': infer Content } } ? Content : undefined;
type Operation<M extends Method, P extends PathOf<M>> = paths[P][M];
type Values<P extends string> = P extends `${string}{${infer Name}}${infer Rest}` ? { [N in Name]: string } & Values<Rest> : unknown;
type Query<O> = O extends { parameters: { query?: infer Q } } ? NonNullable<Q> : never;
type Body<O> = O extends { requestBody?: infer B } ? Json<NonNullable<B>> : never;

// What a request that succeeds is answered with; nothing for a 204.
export type Answer<M extends Method, P extends PathOf<M>> =
  Operation<M, P> extends { responses: infer All } ? Json<All[keyof All & (200 | 201 | 202 | 204)]> : never;

export interface Request<M extends Method, P extends PathOf<M>> {
  path?: Values<P>;
  query?: { [Name in keyof Query<Operation<M, P>>]?: Query<Operation<M, P>>[Name] | undefined };
  body?: Body<Operation<M, P>>;
}

// Why a request failed: one sentence for a person, the API's own where it answered.
export class Trouble extends Error {
  constructor(
    message: string,
    readonly status = 0, // 0: there was no answer
    readonly details: { field: string; message: string }[] = [],
  ) {
    super(message);
  }

  // Of a form's field; an array's items count as it.
  of(field: string): string | undefined {
    return this.details.find((one) => one.field === field || one.field.startsWith(`${field}[`))?.message;
  }
}

export const troubleOf = (thrown: unknown): Trouble =>
  thrown instanceof Trouble ? thrown : new Trouble('Something went wrong in this page. Reload it and try again.');

export const unreachable = (): Trouble =>
  new Trouble(
    navigator.onLine
      ? 'The server does not answer. Try again in a moment.'
      : 'You are offline. Connect to the internet and try again.',
  );

const kPatience = 20_000; // milliseconds

export async function troubleIn(reply: Response): Promise<Trouble> {
  const said = (await reply.json().catch(() => null)) as Partial<{ message: string; details: Trouble['details'] }> | null;
  return new Trouble(
    typeof said?.message === 'string' ? said.message : `The server answered ${reply.status}. Try again in a moment.`,
    reply.status,
    Array.isArray(said?.details) ? said.details : [],
  );
}

export function addressOf(path: string, values: Record<string, string> = {}, query: Record<string, unknown> = {}): string {
  const filled = path.replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(values[name] ?? ''));
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) if (value !== undefined && value !== '') search.set(name, String(value));
  return search.size ? `${filled}?${search}` : filled;
}

// Throws a Trouble.
export async function ask<M extends Method, P extends PathOf<M>>(method: M, path: P, request: Request<M, P> = {}): Promise<Answer<M, P>> {
  const url = addressOf(path, request.path as Record<string, string>, request.query);
  const reply = await fetch(url, {
    method: method.toUpperCase(),
    // A reply that the browser kept is as old as it likes; an ETag is not.
    cache: 'no-cache',
    signal: AbortSignal.timeout(kPatience),
    ...(request.body === undefined
      ? {}
      : { headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(request.body) }),
  }).catch(() => {
    throw unreachable();
  });
  if (!reply.ok) throw await troubleIn(reply);
  return (reply.status === 204 ? undefined : await reply.json().catch(() => Promise.reject(unreachable()))) as Answer<M, P>;
}
