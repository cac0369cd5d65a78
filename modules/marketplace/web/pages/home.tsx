// The team's plugins: those that are pinned, then the others.
import type { JSX } from 'preact';
import { type MyPlugin, pin, useMyPlugins } from '../core/plugins';
import { Heading } from '../core/router';
import { isAtLeast, type Profile, type Team } from '../core/session';
import { Icon, PluginIcon } from '../parts/icon';
import { Action, Empty, Shown, Skeleton } from '../parts/ui';

export function Home({ team, profile }: { team: Team; profile: Profile }): JSX.Element {
  const mine = useMyPlugins(team);
  const section = (title: string, plugins: MyPlugin[]): JSX.Element | false =>
    plugins.length > 0 && (
      <section aria-label={title}>
        <h2>{title}</h2>
        <ul class="tiles">
          {plugins.map((plugin) => (
            <Tile key={plugin.slug} plugin={plugin} team={team} profile={profile} />
          ))}
        </ul>
      </section>
    );
  return (
    <>
      <Heading title={team.name} />
      <Shown kept={mine} skeleton={<Skeleton lines={3} tall />}>
        {(plugins) =>
          plugins.length ? (
            <>
              {section('Pinned', plugins.filter((one) => one.pinned))}
              {section('Plugins', plugins.filter((one) => !one.pinned))}
            </>
          ) : (
            <Empty>
              <p>Your team has no plugins yet.</p>
              <a class="button primary" href="/marketplace">
                Find some in the marketplace
              </a>
            </Empty>
          )
        }
      </Shown>
    </>
  );
}

function Tile({ plugin, team, profile }: { plugin: MyPlugin; team: Team; profile: Profile }): JSX.Element {
  const { slug, name, version, iconUrl, pinned } = plugin;
  return (
    <li class="tile">
      <PluginIcon url={iconUrl} name={name} />
      <div>
        <h3>
          <a href={`/open/${slug}`}>{name}</a>
        </h3>
        <p class="note">version {version}</p>
      </div>
      {isAtLeast(team.role, 'member') && (
        <Action kind="quiet" label={pinned ? `Unpin ${name}` : `Pin ${name}`} run={() => pin(team, profile.id, plugin, !pinned)}>
          <span class={pinned ? 'pin pinned' : 'pin'}>
            <Icon name="pin" />
          </span>
        </Action>
      )}
    </li>
  );
}
