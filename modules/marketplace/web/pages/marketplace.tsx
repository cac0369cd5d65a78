// What there is: searched, by category, in an order. The address says what is looked for, so that it can be sent on.
import type { JSX } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { type Answer, ask } from '../core/api';
import { type List, type Page, useList } from '../core/list';
import { Heading, go, usePlace } from '../core/router';
import { count } from '../core/words';
import { Grid } from '../parts/grid';
import { PluginIcon } from '../parts/icon';
import { Empty, Shown, Skeleton } from '../parts/ui';

type Market = Answer<'get', '/api/v1/marketplace'>;
type Plugin = Market['plugins'][number];
interface Found extends Page<Plugin> {
  facets: Market['facets'];
}

const kHeight = 124; // of a card
const kSorts = [
  ['popular', 'Most installed'],
  ['new', 'Newest'],
  ['name', 'By name'],
] as const;
const kPause = 250; // milliseconds without a key until it is searched

export default function Marketplace(): JSX.Element {
  const { query } = usePlace();
  const [q, category] = [query.get('q') ?? '', query.get('category') ?? ''];
  const sort = kSorts.find(([value]) => value === query.get('sort'))?.[0] ?? 'popular';
  const wanted = { q, category, sort };
  const list = useList<Plugin>(`market/${JSON.stringify(wanted)}`, async (cursor): Promise<Found> => {
    const page = await ask('get', '/api/v1/marketplace', { query: { ...wanted, cursor, limit: 100 } });
    return { items: page.plugins, next: page.nextCursor, facets: page.facets };
  });
  const shown = useLastThere(list as List<Plugin> & { value: Found | undefined });
  const look = (change: Partial<typeof wanted>): void => {
    const search = new URLSearchParams();
    for (const [name, value] of Object.entries({ ...wanted, ...change })) {
      if (value && !(name === 'sort' && value === 'popular')) search.set(name, value);
    }
    go(search.size ? `/marketplace?${search}` : '/marketplace', 'replace');
  };
  return (
    <>
      <Heading title="Marketplace" />
      <search class="search">
        <Search q={q} look={(text) => look({ q: text })} />
        <select aria-label="Order" value={sort} onChange={(event) => look({ sort: event.currentTarget.value as typeof sort })}>
          {kSorts.map(([value, text]) => (
            <option key={value} value={value}>
              {text}
            </option>
          ))}
        </select>
      </search>
      <Shown kept={shown} skeleton={<Skeleton lines={6} tall />}>
        {({ items, next, facets }) => (
          <>
            <Categories facets={facets} category={category} look={look} />
            <p class="note" role="status">
              {howMany(facets, category)}
            </p>
            {items.length ? (
              <Grid items={items} whole={!next} height={kHeight} label="Plugins" more={list.more}>
                {(plugin) => <Card plugin={plugin} />}
              </Grid>
            ) : (
              <Empty>
                <p>
                  {q || category ? 'Nothing is like that. Try another word, or all categories.' : 'Nobody has published a plugin yet.'}
                </p>
                {(q || category) && (
                  <button type="button" onClick={() => look({ q: '', category: '' })}>
                    Show all plugins
                  </button>
                )}
              </Empty>
            )}
          </>
        )}
      </Shown>
    </>
  );
}

const howMany = (facets: Market['facets'], category: string): string =>
  count(
    facets.filter((one) => !category || one.category === category).reduce((sum, one) => sum + one.plugins, 0),
    'plugin',
  );

// While something else is looked for, what was found last stays.
function useLastThere(list: List<Plugin> & { value: Found | undefined }): typeof list {
  const last = useRef(list.value);
  if (list.value) last.current = list.value;
  return { ...list, value: list.value ?? (list.trouble ? undefined : last.current) };
}

function Search({ q, look }: { q: string; look: (q: string) => void }): JSX.Element {
  const [text, setText] = useState(q);
  useEffect(() => {
    if (text.trim() === q) return;
    const timer = setTimeout(() => look(text.trim()), kPause);
    return () => clearTimeout(timer);
  }, [text]);
  useEffect(() => setText((was) => (was.trim() === q ? was : q)), [q]);
  return (
    <input
      type="search"
      aria-label="Search plugins"
      placeholder="Search plugins"
      maxLength={80}
      value={text}
      onInput={(event) => setText(event.currentTarget.value)}
    />
  );
}

interface CategoriesProps {
  facets: Market['facets'];
  category: string;
  look: (change: { category: string }) => void;
}
function Categories({ facets, category, look }: CategoriesProps): JSX.Element {
  const all = facets.reduce((sum, one) => sum + one.plugins, 0);
  const here = facets.some((one) => one.category === category) || !category ? [] : [{ category, plugins: 0 }];
  return (
    <fieldset class="chips">
      <legend class="unseen">Category</legend>
      {[{ category: '', plugins: all }, ...facets, ...here].map((one) => (
        <label key={one.category}>
          <input type="radio" name="category" checked={one.category === category} onChange={() => look({ category: one.category })} />
          <span>
            {one.category || 'All'} <span class="note">{one.plugins}</span>
          </span>
        </label>
      ))}
    </fieldset>
  );
}

function Card({ plugin: { slug, name, summary, publisher, category, installs, iconUrl } }: { plugin: Plugin }): JSX.Element {
  return (
    <article class="tile">
      <PluginIcon url={iconUrl} name={name} />
      <div>
        <h2>
          <a href={`/marketplace/${slug}`}>{name}</a>
        </h2>
        <p class="summary">{summary}</p>
        <p class="note">
          {publisher ?? 'a team that is gone'} · {category} · {count(installs, 'install')}
        </p>
      </div>
    </article>
  );
}
