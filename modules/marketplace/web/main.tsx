// The web shell: who is signed in, the frame around every page, and the page that the address names. Pages but the first
// come when they are asked for.
import { type ComponentType, type JSX, render } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { Heading, usePlace } from './core/router';
import { warmMyPlugins } from './core/plugins';
import { lastTeam, type Profile, useProfile, useTeam } from './core/session';
import { Frame } from './frame';
import { Home } from './pages/home';
import { Action, Problem, Skeleton } from './parts/ui';

type Load = () => Promise<{ default: ComponentType<any> }>;
interface Route {
  path: RegExp; // what stands in its groups are the page's properties
  load: Load;
  open?: boolean; // to whoever is not signed in
  alone?: boolean; // it needs no team
}

const signIn: Load = () => import('./pages/sign_in');
const newTeam: Load = () => import('./pages/new_team');
const routes: Route[] = [
  { path: /^\/sign-in$/, load: signIn, open: true },
  { path: /^\/invitations\/(?<token>[^/]+)$/, load: () => import('./pages/invitation'), alone: true },
  { path: /^\/marketplace$/, load: () => import('./pages/marketplace'), open: true },
  { path: /^\/marketplace\/(?<slug>[^/]+)$/, load: () => import('./pages/plugin'), open: true },
  { path: /^\/open\/(?<slug>[^/]+)$/, load: () => import('./pages/open') },
  { path: /^\/publish$/, load: () => import('./pages/publish') },
  { path: /^\/usage$/, load: () => import('./pages/usage') },
  { path: /^\/team$/, load: () => import('./pages/team') },
  { path: /^\/wallet$/, load: () => import('./pages/wallet') },
  { path: /^\/profile$/, load: () => import('./pages/profile'), alone: true },
  { path: /^\/tokens$/, load: () => import('./pages/tokens'), alone: true },
];

const loaded = new Map<Load, ComponentType<any>>();

function Lazy({ load, ...properties }: { load: Load } & Record<string, unknown>): JSX.Element {
  const [, redraw] = useState({});
  const [failed, setFailed] = useState(false);
  useEffect(() => {
    setFailed(false);
    if (loaded.has(load)) return;
    load().then(
      (page) => {
        loaded.set(load, page.default);
        redraw({});
      },
      () => setFailed(true),
    );
  }, [load]);
  const Page = loaded.get(load);
  if (Page) return <Page {...properties} />;
  if (!failed) return <Skeleton lines={4} tall />;
  // A page that failed to come is not asked for twice by the browser; and there may be a newer shell.
  return (
    <>
      <Heading title="This page did not come" />
      <Problem trouble="The server does not answer, or has a newer version of this page. Reload to go on." />
      <Action kind="primary" run={() => location.reload()}>
        Reload
      </Action>
    </>
  );
}

function NotFound(): JSX.Element {
  return (
    <>
      <Heading title="There is nothing here" />
      <p>
        The address may be mistyped, or old. <a href="/">Go to your plugins</a>.
      </p>
    </>
  );
}

function Page({ profile }: { profile: Profile | null }): JSX.Element {
  const { path } = usePlace();
  const clean = path.replace(/(.)\/+$/, '$1');
  if (clean === '/new-team' && profile) return <Lazy load={newTeam} first={false} />;
  if (clean === '/') return profile ? <OfTeam profile={profile} /> : <Lazy load={signIn} />;
  for (const route of routes) {
    const match = route.path.exec(clean);
    if (!match) continue;
    if (!profile && !route.open) return <Lazy load={signIn} />;
    const properties = Object.fromEntries(Object.entries(match.groups ?? {}).map(([name, value]) => [name, decoded(value)]));
    if (route.open || route.alone || !profile) return <Lazy key={clean} load={route.load} profile={profile} {...properties} />;
    return <OfTeam profile={profile} load={route.load} properties={properties} />;
  }
  return <NotFound />;
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

interface OfTeamProps {
  profile: Profile;
  load?: Load;
  properties?: Record<string, string>;
}
function OfTeam({ profile, load, properties }: OfTeamProps): JSX.Element {
  const team = useTeam(profile);
  if (!team) return <Lazy load={newTeam} first />;
  return load ? <Lazy key={`${team.id} ${Object.values(properties ?? {})}`} load={load} profile={profile} team={team} {...properties} /> : <Home key={team.id} team={team} profile={profile} />;
}

function App(): JSX.Element {
  const kept = useProfile();
  const { value: profile, trouble, again } = kept;
  return (
    <Frame profile={profile}>
      {profile === undefined ? (
        trouble ? (
          <>
            <Heading title="Plugfleet" />
            <Problem trouble={trouble} again={again} />
          </>
        ) : (
          <Skeleton lines={4} tall />
        )
      ) : (
        <Page profile={profile} />
      )}
    </Frame>
  );
}

// Most likely the first page's, so it is not waited for one after the other.
const team = lastTeam();
if (team && location.pathname === '/') warmMyPlugins(team);

const root = document.getElementById('app');
if (root) render(<App />, root);
