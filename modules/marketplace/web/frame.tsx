// Around every page: the way to the others, the team, who is signed in, whether there is a network, and short notices.
import type { ComponentChildren, JSX } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { dismiss, kShown, type Notice, useNotices } from './core/notices';
import { go, usePlace } from './core/router';
import { chooseTeam, type Profile, signOut, useTeam } from './core/session';
import { Action } from './parts/ui';
import { Icon, type IconName } from './parts/icon';

interface Entry {
  path: string;
  text: string;
  icon: IconName;
}
const kOpen: Entry[] = [{ path: '/marketplace', text: 'Marketplace', icon: 'search' }];
const kOfTeam: Entry[] = [
  { path: '/', text: 'Plugins', icon: 'plugins' },
  ...kOpen,
  { path: '/team', text: 'Team', icon: 'people' },
  { path: '/wallet', text: 'Wallet', icon: 'wallet' },
  { path: '/usage', text: 'Usage', icon: 'chart' },
  { path: '/publish', text: 'Publish', icon: 'upload' },
];
const kOfUser: Entry[] = [
  { path: '/profile', text: 'Profile', icon: 'person' },
  { path: '/tokens', text: 'Tokens', icon: 'key' },
];

const isAt = (path: string, entry: string): boolean => path === entry || (entry !== '/' && path.startsWith(`${entry}/`));

export function Frame({ profile, children }: { profile: Profile | null | undefined; children: ComponentChildren }): JSX.Element {
  const { path } = usePlace();
  const [open, setOpen] = useState(false);
  const menu = useRef<HTMLButtonElement>(null);
  useEffect(() => setOpen(false), [path]);
  const links = (entries: Entry[]): JSX.Element => (
    <ul>
      {entries.map(({ path: to, text, icon }) => (
        <li key={to}>
          <a href={to} aria-current={isAt(path, to) ? 'page' : undefined}>
            <Icon name={icon} />
            {text}
          </a>
        </li>
      ))}
    </ul>
  );
  const escape = (event: KeyboardEvent): void => {
    if (event.key !== 'Escape' || !open) return;
    setOpen(false);
    menu.current?.focus();
  };
  return (
    <>
      <a class="skip" href="#main">
        Skip to the page
      </a>
      <header class={open ? 'open' : ''} onKeyDown={escape}>
        <a class="brand" href="/">
          <Icon name="brand" />
          Plugfleet
        </a>
        <button ref={menu} type="button" class="menu" aria-expanded={open} aria-controls="menu" onClick={() => setOpen(!open)}>
          Menu
        </button>
        <div id="menu">
          {profile && <TeamSwitcher profile={profile} />}
          <nav aria-label="Plugfleet">
            {links(profile ? kOfTeam : profile === null ? kOpen : [])}
            {profile && links(kOfUser)}
          </nav>
          {profile ? (
            <div class="me">
              <span class="note">{profile.name ?? profile.email ?? 'Signed in'}</span>
              <Action kind="quiet" run={signOut}>
                Sign out
              </Action>
            </div>
          ) : (
            profile === null && (
              <a class="button" href="/sign-in">
                Sign in
              </a>
            )
          )}
        </div>
      </header>
      <main id="main" tabIndex={-1}>
        <Offline />
        {children}
      </main>
      <Notices />
    </>
  );
}

const kAnother = 'another';

function TeamSwitcher({ profile }: { profile: Profile }): JSX.Element | null {
  const team = useTeam(profile);
  if (!team) return null;
  const choose = (select: HTMLSelectElement): void => {
    if (select.value !== kAnother) return chooseTeam(select.value);
    select.value = team.id;
    go('/new-team');
  };
  return (
    <select class="team" aria-label="Your team" value={team.id} onChange={(event) => choose(event.currentTarget)}>
      {profile.teams.map(({ id, name }) => (
        <option key={id} value={id}>
          {name}
        </option>
      ))}
      <option value={kAnother}>Make another team…</option>
    </select>
  );
}

function Offline(): JSX.Element {
  const [online, setOnline] = useState(navigator.onLine);
  useEffect(() => {
    const look = (): void => setOnline(navigator.onLine);
    addEventListener('online', look);
    addEventListener('offline', look);
    return () => {
      removeEventListener('online', look);
      removeEventListener('offline', look);
    };
  }, []);
  return (
    <div role="status" class="offline">
      {!online && <p>You are offline. What you see may be out of date; connect to the internet to change anything.</p>}
    </div>
  );
}

function Notices(): JSX.Element {
  const notices = useNotices();
  return (
    <div class="notices" role="region" aria-label="Notices">
      <div role="status">{notices.map((notice) => notice.kind === 'done' && <NoticeBar key={notice.id} notice={notice} />)}</div>
      <div role="alert">{notices.map((notice) => notice.kind === 'problem' && <NoticeBar key={notice.id} notice={notice} />)}</div>
    </div>
  );
}

// It stays while somebody is at it.
function NoticeBar({ notice: { id, text, kind, undo } }: { notice: Notice }): JSX.Element {
  const [held, setHeld] = useState(false);
  useEffect(() => {
    if (held) return;
    const timer = setTimeout(dismiss, kShown, id);
    return () => clearTimeout(timer);
  }, [id, held]);
  const hold = { onMouseEnter: () => setHeld(true), onMouseLeave: () => setHeld(false), onFocusIn: () => setHeld(true), onFocusOut: () => setHeld(false) };
  return (
    <div class={`notice ${kind}`} {...hold}>
      <p>{text}</p>
      {undo && (
        <Action
          run={() => {
            dismiss(id);
            return undo();
          }}
        >
          Undo
        </Action>
      )}
      <Action kind="quiet" label="Close the notice" run={() => dismiss(id)}>
        <span aria-hidden="true">×</span>
      </Action>
    </div>
  );
}
