// A long list as a grid of which only what is near the window is drawn. Each item has the same height; how many stand side
// by side, the window's width says.
import type { ComponentChildren, JSX } from 'preact';
import { useLayoutEffect, useRef, useState } from 'preact/hooks';

const kWidth = 300; // pixels, of an item at the least
const kGap = 12;
const kBeyond = 4; // rows that are drawn above and below the window: Tab finds them

interface GridProps<T> {
  items: T[];
  whole: boolean; // these are all that there are
  height: number; // pixels, of an item
  label: string;
  more: () => unknown; // called when the end comes near
  children: (item: T) => ComponentChildren;
}

export function Grid<T extends { slug: string }>({ items, whole, height, label, more, children }: GridProps<T>): JSX.Element {
  const list = useRef<HTMLUListElement>(null);
  const [seen, setSeen] = useState({ columns: 1, from: 0, to: 10 });
  const rows = Math.ceil(items.length / seen.columns);

  useLayoutEffect(() => {
    const look = (): void => {
      if (!list.current) return;
      const { top, width } = list.current.getBoundingClientRect();
      const columns = Math.max(1, Math.floor((width + kGap) / (kWidth + kGap)));
      const row = height + kGap;
      const from = Math.max(0, Math.floor(-top / row) - kBeyond);
      const to = Math.ceil((innerHeight - top) / row) + kBeyond;
      setSeen((was) => (was.columns === columns && was.from === from && was.to === to ? was : { columns, from, to }));
    };
    look();
    addEventListener('scroll', look, { passive: true });
    addEventListener('resize', look);
    return () => {
      removeEventListener('scroll', look);
      removeEventListener('resize', look);
    };
  }, [height, items]);

  useLayoutEffect(() => {
    if (!whole && seen.to >= rows - 1) void more();
  }, [seen, rows, whole]);

  const first = seen.from * seen.columns;
  return (
    <ul ref={list} class="grid" aria-label={label} style={{ height: `${Math.max(0, rows * (height + kGap) - kGap)}px` }}>
      {items.slice(first, (seen.to + 1) * seen.columns).map((item, i) => {
        const place = first + i;
        const share = 100 / seen.columns;
        return (
          <li
            key={item.slug}
            aria-setsize={whole ? items.length : -1}
            aria-posinset={place + 1}
            style={{
              top: `${Math.floor(place / seen.columns) * (height + kGap)}px`,
              left: `calc((100% + ${kGap}px) * ${(place % seen.columns) * share} / 100)`,
              width: `calc(${share}% - ${(kGap * (seen.columns - 1)) / seen.columns}px)`,
              height: `${height}px`,
            }}
          >
            {children(item)}
          </li>
        );
      })}
    </ul>
  );
}
