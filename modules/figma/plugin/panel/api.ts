// The server's API as types. scripts/dev/plugin makes `api` from what the routes declare (plugfleet-worker
// --print-openapi), so that this panel does not compile where it asks for what is not there, or looks for a field that no
// reply has. At the address may be some other server: a reply's fields are known by name, their values are checked where
// they are read.
import type { paths } from 'api';

export type { components, paths } from 'api';
export type Method = 'get' | 'post' | 'delete';
export type PathOf<M extends Method> = { [P in keyof paths]: paths[P][M] extends object ? P : never }[keyof paths];

type Json<T> = T extends { content: { 'application/json': infer Content } } ? Content : never;
type Operation<M extends Method, P extends PathOf<M>> = paths[P][M];

// What it takes.
export type Sent<M extends Method, P extends PathOf<M>> =
  Operation<M, P> extends { requestBody: infer Body } ? Json<Body> : never;

// What it answers with that status, when it is the server that it should be.
export type Answered<M extends Method, P extends PathOf<M>, Status extends number> =
  Operation<M, P> extends { responses: infer All } ? (Status extends keyof All ? Json<All[Status]> : never) : never;

// The same as it arrives: any field may be missing, or be anything.
type FieldsOf<T> = T extends unknown ? keyof T : never;
export type Unchecked<T> = { readonly [Field in FieldsOf<T>]?: unknown };

export const isObject = <T = Record<string, unknown>>(value: unknown): value is Unchecked<T> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

// "/api/jobs/{id}" with its value.
export const pathOf = <M extends Method>(path: PathOf<M>, id = ''): string => path.replace('{id}', encodeURIComponent(id));
