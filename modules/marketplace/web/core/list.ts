// Lists that come page by page.
import { change, type Kept, useKept } from './kept';

export interface Page<T> {
  items: T[];
  next: string | null | undefined;
}
export interface List<T> extends Kept<Page<T>> {
  more: () => Promise<void>;
}

const kMost = 10; // pages that are asked for anew at once

// `ask` brings the page that begins at a cursor. What was unfolded stays so when it is asked for anew.
export function useList<T>(key: string, ask: (cursor: string | undefined) => Promise<Page<T>>): List<T> {
  const kept = useKept<Page<T>>(key, async (before) => {
    const all = await ask(undefined);
    for (let pages = 1; pages < kMost && all.next && before && all.items.length < before.items.length; pages++) {
      const page = await ask(all.next);
      all.items.push(...page.items);
      all.next = page.next;
    }
    return all;
  });
  const more = async (): Promise<void> => {
    const cursor = kept.value?.next;
    if (!cursor) return;
    const page = await ask(cursor);
    change<Page<T>>(key, (was) => (was.next === cursor ? { ...was, items: [...was.items, ...page.items], next: page.next } : was));
  };
  return { ...kept, more };
}
