// Who is signed in, and for which of their teams they look. The session is a cookie that no script reads.
import { useState, useEffect } from 'preact/hooks';
import { type Answer, ask, type Trouble, troubleOf } from './api';
import { change, forgetAll, type Kept, outdate, useKept } from './kept';

export type Profile = Answer<'get', '/api/v1/user/profile'>;
export type Role = Profile['teams'][number]['role'];

const kProfile = 'profile';

// Null: nobody is signed in.
export const useProfile = (): Kept<Profile | null> =>
  useKept<Profile | null>(kProfile, () =>
    ask('get', '/api/v1/user/profile').catch((thrown: unknown) => {
      if (troubleOf(thrown).status === 401) return null;
      throw thrown;
    }),
  );

export const setProfile = (profile: Profile): void => change(kProfile, () => profile);
export const profileChanged = (): void => outdate(kProfile);

// A 401 of any request: the session has ended meanwhile.
export function sessionEnded(trouble: Trouble): void {
  if (trouble.status === 401) change<Profile | null>(kProfile, () => null);
}

export async function signOut(): Promise<void> {
  await ask('post', '/auth/sign-out');
  forgetAll();
  location.assign('/sign-in');
}

// ---- The team ----------------------------------------------------------------------------------------------------------

export type Team = Profile['teams'][number];
const kTeam = 'plugfleet-team';
let chosen = localStorage.getItem(kTeam);
const watchers = new Set<(team: string | null) => void>();

export function chooseTeam(id: string): void {
  chosen = id;
  localStorage.setItem(kTeam, id);
  watchers.forEach((watcher) => watcher(id));
}
addEventListener('storage', (event) => {
  if (event.key === kTeam && event.newValue) chooseTeam(event.newValue);
});

export const lastTeam = (): string | null => chosen;

// The one that was chosen last, or else the first.
export function useTeam(profile: Profile): Team | undefined {
  const [id, set] = useState(chosen);
  useEffect(() => {
    watchers.add(set);
    set(chosen);
    return () => void watchers.delete(set);
  }, []);
  return profile.teams.find((team) => team.id === id) ?? profile.teams[0];
}

const kRoles: readonly Role[] = ['viewer', 'member', 'admin', 'owner'];
export const isAtLeast = (role: Role, least: Role): boolean => kRoles.indexOf(role) >= kRoles.indexOf(least);
