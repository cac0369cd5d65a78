// What the server said, kept while the page is open (stale-while-revalidate):
//   - what is younger than a minute is not asked for again, whoever shows it;
//   - what is older is shown as it is while it is asked for anew, and so is what is shown for five minutes;
//   - what failed leaves the value that was there, with the reason beside it;
//   - what is changed here is never overwritten by an answer that was on its way before.
import { useEffect, useState } from 'preact/hooks';
import { type Trouble, troubleOf } from './api';

const kDedupe = 60_000;
const kBackground = 300_000;
const kLook = 10_000; // how often what is shown is looked at

type Ask<T> = (before: T | undefined) => Promise<T>;
interface Entry<T> {
  value?: T;
  trouble?: Trouble | undefined;
  at: number; // when it was last asked for
  changes: number; // made here
  asking?: Promise<void> | undefined;
  ask: Ask<T>;
  readonly watchers: Set<() => void>;
}
export interface Kept<T> {
  value: T | undefined;
  trouble: Trouble | undefined;
  again: () => Promise<void>;
}

const entries = new Map<string, Entry<any>>(); // what T is a key's users agree on

function entryOf<T>(key: string, ask: Ask<T>): Entry<T> {
  const entry = entries.get(key) ?? { at: -Infinity, changes: 0, ask, watchers: new Set() };
  entry.ask = ask;
  entries.set(key, entry);
  return entry;
}

const tell = (entry: Pick<Entry<never>, 'watchers'>): void => entry.watchers.forEach((watcher) => watcher());

function revalidate<T>(entry: Entry<T>): Promise<void> {
  entry.asking ??= (async () => {
    let changes;
    do {
      changes = entry.changes;
      entry.at = Date.now();
      try {
        const value = await entry.ask(entry.value);
        if (changes === entry.changes) Object.assign(entry, { value, trouble: undefined });
      } catch (thrown) {
        entry.trouble = troubleOf(thrown);
      }
    } while (changes !== entry.changes);
    entry.asking = undefined;
    tell(entry);
  })();
  return entry.asking;
}

const lookAgain = (age: number): void => {
  if (document.visibilityState === 'hidden' || !navigator.onLine) return;
  for (const entry of entries.values()) {
    if (entry.watchers.size && Date.now() - entry.at >= age) void revalidate(entry);
  }
};
setInterval(lookAgain, kLook, kBackground);
document.addEventListener('visibilitychange', () => lookAgain(kBackground));
addEventListener('online', () => lookAgain(0));

export function useKept<T>(key: string, ask: Ask<T>): Kept<T> {
  const entry = entryOf(key, ask);
  const [, redraw] = useState({});
  useEffect(() => {
    const watcher = (): void => redraw({});
    entry.watchers.add(watcher);
    if (Date.now() - entry.at >= kDedupe) void revalidate(entry);
    watcher(); // it may have changed since it was drawn
    return () => void entry.watchers.delete(watcher);
  }, [entry]);
  return { value: entry.value, trouble: entry.trouble, again: () => revalidate(entry) };
}

// Asks before somebody shows it.
export function warm<T>(key: string, ask: Ask<T>): void {
  const entry = entryOf(key, ask);
  if (Date.now() - entry.at >= kDedupe) void revalidate(entry);
}

// Changes what is kept, where something is.
export function change<T>(key: string, to: (value: T) => T): void {
  const entry = entries.get(key) as Entry<T> | undefined;
  if (entry?.value === undefined) return;
  entry.value = to(entry.value);
  entry.changes++;
  tell(entry);
}

// Shows the change at once, and takes it back where `act` fails; throws what it threw. Either way the server is asked then.
export async function changeAtOnce<T>(key: string, to: (value: T) => T, act: () => Promise<unknown>): Promise<void> {
  const before = (entries.get(key) as Entry<T> | undefined)?.value;
  change(key, to);
  try {
    await act();
  } catch (thrown) {
    if (before !== undefined) change(key, () => before);
    throw thrown;
  } finally {
    outdate(key);
  }
}

// What begins so is old: it is asked for anew, now where it is shown, or else when it is.
export function outdate(prefix: string): void {
  for (const [key, entry] of entries) {
    if (!key.startsWith(prefix)) continue;
    entry.at = -Infinity;
    entry.changes++;
    if (entry.watchers.size) void revalidate(entry);
  }
}

export const forgetAll = (): void => entries.clear();
