// GET /api/v1/teams/{id}/usage of the module dashboard, which a server may lack.
import { addressOf, Trouble, troubleIn, unreachable } from './api';

export const kBy = ['day', 'kind', 'plugin', 'user'] as const;
export type By = (typeof kBy)[number];

export interface Row {
  key: string;
  name: string; // the day, the kind, the plugin, the member; empty: none of them
  jobs: number;
  failures: number;
  tokens: number;
  credits: number;
  p50Ms: number | null;
  p95Ms: number | null;
}

export const addressOfTable = (team: string, by: By, from: string, to: string): string =>
  addressOf('/api/v1/teams/{id}/usage.csv', { id: team }, { by, from, to });

// Null: this server counts none.
export async function usageOf(team: string, by: By, from: string, to: string): Promise<Row[] | null> {
  const url = addressOf('/api/v1/teams/{id}/usage', { id: team }, { by, from, to });
  const reply = await fetch(url, { cache: 'no-cache', signal: AbortSignal.timeout(20_000) }).catch(() => {
    throw unreachable();
  });
  if (reply.status === 404) return null;
  if (!reply.ok) throw await troubleIn(reply);
  const said = (await reply.json().catch(() => null)) as { lines?: Row[] } | null;
  if (!Array.isArray(said?.lines)) throw new Trouble('The server has a newer version of this page. Reload it.');
  return said.lines;
}
