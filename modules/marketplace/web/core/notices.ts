// Short sentences about what was done, shown for ten seconds and read out; one may be undone.
import { useEffect, useState } from 'preact/hooks';
import { troubleOf } from './api';
import { sessionEnded } from './session';

export interface Notice {
  id: number;
  text: string;
  kind: 'done' | 'problem';
  undo?: () => void;
}

export const kShown = 10_000; // milliseconds
let notices: Notice[] = [];
let last = 0;
const watchers = new Set<(notices: Notice[]) => void>();

function set(now: Notice[]): void {
  notices = now;
  watchers.forEach((watcher) => watcher(now));
}

// One of each kind: what an older one would undo has changed since.
const add = (notice: Omit<Notice, 'id'>): void => set([...notices.filter(({ kind }) => kind !== notice.kind), { id: ++last, ...notice }]);

export const done = (text: string, undo?: () => void): void => add({ text, kind: 'done', ...(undo && { undo }) });
export const dismiss = (id: number): void => set(notices.filter((notice) => notice.id !== id));

export function problem(thrown: unknown): void {
  const trouble = troubleOf(thrown);
  sessionEnded(trouble);
  add({ text: trouble.message, kind: 'problem' });
}

export function useNotices(): Notice[] {
  const [now, watcher] = useState(notices);
  useEffect(() => {
    watchers.add(watcher);
    return () => void watchers.delete(watcher);
  }, []);
  return now;
}
