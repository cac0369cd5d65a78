// A running plugin: its page in a frame without an origin, which may run scripts and nothing else.
import type { JSX } from 'preact';
import { useLayoutEffect, useRef, useState } from 'preact/hooks';
import { ask } from '../core/api';
import { Broker } from '../core/broker';
import { type MyPlugin, useMyPlugins } from '../core/plugins';
import { Heading } from '../core/router';
import type { Profile, Team } from '../core/session';
import { Action, Problem, Shown, Skeleton } from '../parts/ui';

interface OpenProps {
  team: Team;
  profile: Profile;
  slug: string;
}
export default function Open({ team, profile, slug }: OpenProps): JSX.Element {
  const mine = useMyPlugins(team);
  return (
    <Shown kept={mine} skeleton={<Skeleton lines={4} tall />}>
      {(plugins) => {
        const plugin = plugins.find((one) => one.slug === slug);
        if (plugin && !plugin.entryUrl) return <Skeleton lines={4} tall />; // it was installed this moment
        return plugin ? (
          <Running plugin={plugin} team={team} profile={profile} />
        ) : (
          <>
            <Heading title="This plugin is not there" />
            <p>
              {team.name} has no plugin of this name that you may open. <a href={`/marketplace/${slug}`}>Look for it in the marketplace</a>,
              or choose another team.
            </p>
          </>
        );
      }}
    </Shown>
  );
}

function Running({ plugin, team, profile }: { plugin: MyPlugin; team: Team; profile: Profile }): JSX.Element {
  const [opened, setOpened] = useState({ plugin, times: 1 }); // what is in the frame, whatever is out meanwhile
  const [closed, setClosed] = useState<string>();
  const frame = useRef<HTMLIFrameElement>(null);
  const reload = (): void => {
    setClosed(undefined);
    setOpened(({ times }) => ({ plugin, times: times + 1 }));
  };
  // Before the page is there: it may speak at once.
  useLayoutEffect(() => {
    if (!frame.current || closed) return;
    const path = { id: team.id, slug: plugin.slug };
    const session = {
      team: { id: team.id, name: team.name },
      user: { name: profile.name ?? profile.email ?? '' },
      config: opened.plugin.config,
    };
    const broker = new Broker(frame.current, session, () => ask('post', '/api/v1/teams/{id}/plugins/{slug}/token', { path }), setClosed);
    return () => broker.close();
  }, [opened, closed]);
  return (
    <div class="running">
      <div class="actions">
        <Heading title={plugin.name} />
        <span class="tag">{opened.plugin.version}</span>
        <Action kind="quiet" label={`Reload ${plugin.name}`} run={reload}>
          Reload
        </Action>
        <a href={`/marketplace/${plugin.slug}`}>About it</a>
      </div>
      <div role="status">
        {plugin.version !== opened.plugin.version && !closed && (
          <div class="news">
            <p>Version {plugin.version} is out.</p>
            <Action kind="primary" label={`Reload ${plugin.name} with version ${plugin.version}`} run={reload}>
              Reload
            </Action>
          </div>
        )}
      </div>
      {closed ? (
        <Problem trouble={closed} />
      ) : (
        <iframe
          key={opened.times}
          ref={frame}
          title={plugin.name}
          src={opened.plugin.entryUrl}
          sandbox="allow-scripts"
          referrerpolicy="no-referrer"
        />
      )}
    </div>
  );
}
