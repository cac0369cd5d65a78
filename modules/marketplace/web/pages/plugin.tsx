// A plugin's page: what it says of itself, its versions, and whether the team has it.
import type { JSX } from 'preact';
import { type Answer, ask } from '../core/api';
import { useKept } from '../core/kept';
import { chooseVersion, install, type Known, uninstall, useInstalls, useMyPlugins } from '../core/plugins';
import { Heading } from '../core/router';
import { isAtLeast, type Profile, type Team, useTeam } from '../core/session';
import { count, day, size } from '../core/words';
import { PluginIcon } from '../parts/icon';
import { Action, Shown, Skeleton } from '../parts/ui';

type Page = Answer<'get', '/api/v1/marketplace/{slug}'>;

// What a bundle may ask for, in words (fcgi-app/core/plugin_tokens.h).
const kPermissions: Record<string, string> = {
  'profile:read': 'see who you are, and your teams’ names',
  'team:read': 'see the team’s name and members',
  'wallet:read': 'see the team’s credits, and what moved them',
  'usage:read': 'see what the team’s jobs were, and what they cost',
  rename: 'have layers renamed, and follow those jobs',
};

// Its headings stand below the page's own.
const below = (html: string): string => html.replace(/<(\/?)h([1-5])\b/g, (_, end: string, level: string) => `<${end}h${Number(level) + 1}`);

export default function PluginPage({ profile, slug }: { profile: Profile | null; slug: string }): JSX.Element {
  const kept = useKept(`market-plugin/${slug}`, () => ask('get', '/api/v1/marketplace/{slug}', { path: { slug } }));
  return (
    <>
      <p>
        <a href="/marketplace">Marketplace</a>
      </p>
      {!kept.value && <Heading title="Plugin">{slug}</Heading>}
      <Shown kept={kept} skeleton={<Skeleton lines={4} tall />}>
        {(page) => (
          <>
            <div class="plugin-head">
              <PluginIcon url={page.iconUrl} name={page.name} />
              <div>
                <Heading title={page.name} />
                <p>{page.summary}</p>
                <p class="note">
                  {page.publisher ?? 'a team that is gone'} · {page.category} · {count(page.installs, 'install')} · version{' '}
                  {page.latestVersion}
                </p>
                {profile ? <OfTeam page={page} profile={profile} /> : <p>To install it, <a href={`/sign-in?next=/marketplace/${slug}`}>sign in</a>.</p>}
              </div>
            </div>
            <Permissions page={page} />
            {/* Made from Markdown by the server, which lets no script, style or frame through; nor does this page's policy. */}
            {page.readmeHtml && <div class="readme" dangerouslySetInnerHTML={{ __html: below(page.readmeHtml) }} />}
            <Versions page={page} />
          </>
        )}
      </Shown>
    </>
  );
}

function OfTeam({ page, profile }: { page: Page; profile: Profile }): JSX.Element {
  const team = useTeam(profile);
  if (!team) return <p>To install it, <a href="/">make a team</a> first.</p>;
  return isAtLeast(team.role, 'admin') ? <ForAdmin page={page} team={team} /> : <ForMember page={page} team={team} />;
}

const Open = ({ page }: { page: Page }): JSX.Element => (
  <a class="button primary" href={`/open/${page.slug}`}>
    Open
  </a>
);

function ForMember({ page, team }: { page: Page; team: Team }): JSX.Element {
  const mine = useMyPlugins(team);
  return (
    <Shown kept={mine} skeleton={<Skeleton lines={1} />}>
      {(plugins) =>
        plugins.some((one) => one.slug === page.slug) ? <Open page={page} /> : <p>An admin of {team.name} can install it for you.</p>
      }
    </Shown>
  );
}

function ForAdmin({ page, team }: { page: Page; team: Team }): JSX.Element {
  const mine = useMyPlugins(team);
  const installs = useInstalls(team);
  const known: Known = page;
  return (
    <Shown kept={mine} skeleton={<Skeleton lines={1} />}>
      {(plugins) => {
        const was = installs.value?.find((one) => one.slug === page.slug);
        if (!plugins.some((one) => one.slug === page.slug)) {
          return (
            <div class="actions">
              <Action kind="primary" label={`Install for ${team.name}`} run={() => install(team, known)}>
                Install
              </Action>
              <span class="note">for everybody in {team.name}</span>
            </div>
          );
        }
        return (
          <div class="actions">
            <Open page={page} />
            <select
              aria-label="Version that the team has"
              value={was?.version ?? 'latest'}
              onChange={(event) => void chooseVersion(team, known, event.currentTarget.value)}
            >
              <option value="latest">Latest version</option>
              {page.versions
                .filter((one) => !one.yanked || one.version === was?.version)
                .map(({ version }) => (
                  <option key={version} value={version}>
                    Stay at {version}
                  </option>
                ))}
            </select>
            <Action label={`Remove from ${team.name}`} run={() => uninstall(team, known, was)}>
              Remove
            </Action>
          </div>
        );
      }}
    </Shown>
  );
}

function Permissions({ page }: { page: Page }): JSX.Element {
  const asked = page.versions.find((one) => one.version === page.latestVersion)?.permissions ?? [];
  return (
    <section aria-labelledby="permissions">
      <h2 id="permissions">What it may do</h2>
      {asked.length ? (
        <ul class="plain">
          {asked.map((one) => (
            <li key={one}>It may {kPermissions[one] ?? one}.</li>
          ))}
        </ul>
      ) : (
        <p>It asks for nothing: it sees none of your team’s data.</p>
      )}
    </section>
  );
}

function Versions({ page }: { page: Page }): JSX.Element {
  return (
    <section aria-labelledby="versions">
      <h2 id="versions">Versions</h2>
      <table class="rows">
        <thead>
          <tr>
            <th>Version</th>
            <th>Published</th>
            <th>Files</th>
            <th>Size</th>
            <th>SHA-256</th>
          </tr>
        </thead>
        <tbody>
          {page.versions.map((one) => (
            <tr key={one.version}>
              <td data-label="Version">
                <b>{one.version}</b> {one.yanked && <span class="tag">withdrawn</span>}
              </td>
              <td data-label="Published">
                <time dateTime={one.publishedAt}>{day(one.publishedAt)}</time>
              </td>
              <td data-label="Files">{one.files}</td>
              <td data-label="Size">{size(one.packedBytes)}</td>
              <td data-label="SHA-256">
                <code title={one.digest}>{one.digest.slice(0, 12)}…</code>
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}
