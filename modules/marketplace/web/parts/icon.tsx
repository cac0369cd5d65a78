// Line drawings of 24 x 24, which say nothing that a text beside them does not.
import type { JSX } from 'preact';

const kPaths = {
  brand: 'M9 3v5m6-5v5M6 8h12v3a6 6 0 0 1-12 0zm6 9v4',
  plugins: 'M4 4h6v6H4zm10 0h6v6h-6zM4 14h6v6H4zm10 0h6v6h-6z',
  search: 'M10.5 4a6.5 6.5 0 1 0 0 13 6.5 6.5 0 0 0 0-13zm4.8 11.3L20 20',
  people: 'M9 5a3 3 0 1 0 0 6 3 3 0 0 0 0-6zM3 19a6 6 0 0 1 12 0m0-14a3 3 0 0 1 0 6m2.5 2.5A6 6 0 0 1 21 19',
  wallet: 'M4 7h16v12H4zm0 0 12-3v3m0 6h4',
  chart: 'M4 20h16M7 20v-7m5 7V5m5 15v-10',
  upload: 'M12 15V4m-4 4 4-4 4 4M4 15v5h16v-5',
  person: 'M12 4a4 4 0 1 0 0 8 4 4 0 0 0 0-8zM4 20a8 8 0 0 1 16 0',
  pin: 'M9 4h6l-1 7 3 3v2H7v-2l3-3zm3 12v5',
  key: 'M8 11a4 4 0 1 0 0 8 4 4 0 0 0 0-8zm3 1 8-8m-3 3 3 3',
};
export type IconName = keyof typeof kPaths;

export function Icon({ name }: { name: IconName }): JSX.Element {
  return (
    <svg class="icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false">
      <path d={kPaths[name]} />
    </svg>
  );
}

// A plugin's own picture, or its first letter.
export function PluginIcon({ url, name }: { url: string | null | undefined; name: string }): JSX.Element {
  return url ? (
    <img class="plugin-icon" src={url} alt="" width={40} height={40} loading="lazy" />
  ) : (
    <span class="plugin-icon" aria-hidden="true">
      {name.slice(0, 1).toUpperCase()}
    </span>
  );
}
