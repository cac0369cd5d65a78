// The plugins that a member may open, and what changes which they are. Each change is shown at once.
import { type Answer, ask } from './api';
import { type Kept, changeAtOnce, outdate, useKept, warm } from './kept';
import { done, problem } from './notices';
import type { Team } from './session';

export type MyPlugin = Answer<'get', '/api/v1/teams/{id}/my-plugins'>['plugins'][number];
export type Install = Answer<'get', '/api/v1/teams/{id}/plugins'>['plugins'][number];
// What is known of a plugin wherever it is shown.
export interface Known {
  slug: string;
  name: string;
  iconUrl: string | null;
  latestVersion: string;
}

const kMost = 10; // pages of the list of installs

const mineOf = (team: string): string => `team/${team}/my-plugins`;
const installsOf = (team: string): string => `team/${team}/installs`;
const askMine = (id: string) => async (): Promise<MyPlugin[]> => (await ask('get', '/api/v1/teams/{id}/my-plugins', { path: { id } })).plugins;

export const useMyPlugins = (team: Team): Kept<MyPlugin[]> => useKept(mineOf(team.id), askMine(team.id));
export const warmMyPlugins = (team: string): void => warm(mineOf(team), askMine(team));

// For admins: with the version that was chosen for each, and those that are switched off.
export const useInstalls = (team: Team): Kept<Install[]> =>
  useKept(installsOf(team.id), async () => {
    const all: Install[] = [];
    let cursor: string | null | undefined;
    for (let page = 0; page < kMost && (page === 0 || cursor); page++) {
      const some = await ask('get', '/api/v1/teams/{id}/plugins', { path: { id: team.id }, query: { limit: 100, cursor: cursor ?? undefined } });
      all.push(...some.plugins);
      cursor = some.nextCursor;
    }
    return all;
  });

const inOrder = (plugins: MyPlugin[]): MyPlugin[] =>
  plugins.sort((a, b) => Number(b.pinned) - Number(a.pinned) || a.name.localeCompare(b.name));

// Where its pages are is known once the server has answered.
const installed = ({ slug, name, iconUrl, latestVersion }: Known, version = latestVersion): MyPlugin => ({
  slug,
  name,
  iconUrl,
  version,
  entryUrl: '',
  integrity: '',
  pinned: false,
  config: {},
});

type Config = Record<string, never>;
const put = (team: Team, slug: string, version: string, config?: unknown) =>
  ask('put', '/api/v1/teams/{id}/plugins/{slug}', {
    path: { id: team.id, slug },
    body: { version, enabled: true, ...(config === undefined ? {} : { config: config as Config }) },
  });

async function change(team: Team, to: (plugins: MyPlugin[]) => MyPlugin[], act: () => Promise<unknown>): Promise<void> {
  try {
    await changeAtOnce<MyPlugin[]>(mineOf(team.id), (plugins) => inOrder(to([...plugins])), act);
  } finally {
    outdate(installsOf(team.id));
    outdate('market');
  }
}

// With whatever undoes it.
export async function install(team: Team, plugin: Known, version = 'latest', config?: unknown): Promise<void> {
  const here = installed(plugin, version === 'latest' ? plugin.latestVersion : version);
  const add = (plugins: MyPlugin[]): MyPlugin[] => [...plugins.filter((one) => one.slug !== plugin.slug), here];
  const asked = change(team, add, () => put(team, plugin.slug, version, config));
  done(`${plugin.name} is installed for ${team.name}.`, () => uninstall(team, plugin));
  await asked.catch(problem);
}

export async function uninstall(team: Team, plugin: Known, was?: Install): Promise<void> {
  const path = { id: team.id, slug: plugin.slug };
  const drop = (plugins: MyPlugin[]): MyPlugin[] => plugins.filter((one) => one.slug !== plugin.slug);
  const asked = change(team, drop, () => ask('delete', '/api/v1/teams/{id}/plugins/{slug}', { path }));
  done(`${plugin.name} is removed from ${team.name}.`, was && (() => install(team, plugin, was.version, was.config)));
  await asked.catch(problem);
}

export async function chooseVersion(team: Team, plugin: Known, version: string): Promise<void> {
  await change(team, (plugins) => plugins, () => put(team, plugin.slug, version));
  done(version === 'latest' ? `${plugin.name} stays at its latest version.` : `${plugin.name} stays at version ${version}.`);
}

export async function pin(team: Team, userId: string, plugin: MyPlugin, pinned: boolean): Promise<void> {
  const path = { id: team.id, userId, slug: plugin.slug };
  const to = (plugins: MyPlugin[]): MyPlugin[] => plugins.map((one) => (one.slug === plugin.slug ? { ...one, pinned } : one));
  await change(team, to, () => ask('put', '/api/v1/teams/{id}/members/{userId}/plugins/{slug}', { path, body: { pinned } }));
}
