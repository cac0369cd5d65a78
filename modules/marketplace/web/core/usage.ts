// What a team used, by the module dashboard, which a fleet may be without.
import { addressOf, type Answer, ask, troubleOf } from './api';

export const kBy = ['day', 'kind', 'plugin', 'user'] as const;
export type By = (typeof kBy)[number];
export type Row = Answer<'get', '/api/v1/teams/{id}/usage'>['lines'][number];

// Null: this server counts none.
export async function usageOf(team: string, by: By, from: string, to: string): Promise<Row[] | null> {
  try {
    return (await ask('get', '/api/v1/teams/{id}/usage', { path: { id: team }, query: { by, from, to } })).lines;
  } catch (thrown) {
    if (troubleOf(thrown).status === 404) return null;
    throw thrown;
  }
}

export const addressOfTable = (team: string, by: By, from: string, to: string): string =>
  addressOf('/api/v1/teams/{id}/usage.csv', { id: team }, { by, from, to });
