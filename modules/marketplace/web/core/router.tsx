// Which page is shown: the address's path. Links of ours are ordinary <a>; a plain click on one changes the address
// without a load. Whoever comes to a page by a link is put at its heading, where a screen reader begins.
import type { ComponentChildren, JSX } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';

export interface Place {
  path: string;
  query: URLSearchParams;
}

const placeNow = (): Place => ({ path: location.pathname, query: new URLSearchParams(location.search) });
let place = placeNow();
let moved = false; // since the page was loaded
const watchers = new Set<(place: Place) => void>();

function arrive(): void {
  const before = place.path;
  place = placeNow();
  if (place.path !== before) moved = true;
  watchers.forEach((watcher) => watcher(place));
}

export function go(address: string, how: 'push' | 'replace' = 'push'): void {
  history[`${how}State`](null, '', address);
  if (how === 'push') scrollTo(0, 0);
  arrive();
}

// The server's, not the shell's.
const isOurs = (url: URL): boolean =>
  url.origin === location.origin && !/^\/(api|auth|docs|plugins|static)(\/|$)/.test(url.pathname);

addEventListener('popstate', arrive);
document.addEventListener('click', (event) => {
  if (event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
  const link = event.target instanceof Element ? event.target.closest('a') : null;
  if (!link?.href || link.target || link.hasAttribute('download') || !isOurs(new URL(link.href))) return;
  if (link.getAttribute('href')?.startsWith('#')) return;
  event.preventDefault();
  go(link.href);
});

export function usePlace(): Place {
  const [now, set] = useState(place);
  useEffect(() => {
    watchers.add(set);
    set(place);
    return () => void watchers.delete(set);
  }, []);
  return now;
}

// A page's one <h1>, and the window's title.
export function Heading({ title, children }: { title: string; children?: ComponentChildren }): JSX.Element {
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    if (moved) heading.current?.focus({ preventScroll: true });
  }, []);
  useEffect(() => {
    document.title = title === 'Plugfleet' ? title : `${title} · Plugfleet`;
  }, [title]);
  return (
    <h1 ref={heading} tabIndex={-1}>
      {children ?? title}
    </h1>
  );
}
