// Who did what to a team, for its admins.
import type { JSX } from 'preact';
import { type Answer, ask } from '../core/api';
import { useList } from '../core/list';
import type { Team } from '../core/session';
import { moment } from '../core/words';
import { More, Shown } from '../parts/ui';

type Line = Answer<'get', '/api/v1/teams/{id}/audit'>['lines'][number];

// One that is not here is shown by its own name.
const kActions: Record<string, string> = {
  'team.create': 'made the team',
  'team.rename': 'renamed the team',
  'team.suspend': 'suspended the team',
  'team.unsuspend': 'ended the team’s suspension',
  'member.role': 'changed a member’s role',
  'member.remove': 'removed a member',
  'member.leave': 'left',
  'invitation.create': 'invited somebody',
  'invitation.revoke': 'revoked an invitation',
  'invitation.accept': 'joined by an invitation',
  'plugin.create': 'took the name of a plugin',
  'plugin.change': 'changed what is said of a plugin',
  'plugin.publish': 'published a plugin',
  'plugin.yank': 'withdrew a version of a plugin',
  'plugin.install': 'installed a plugin',
  'plugin.configure': 'changed how a plugin is set up',
  'plugin.uninstall': 'removed a plugin',
  'plugin.access': 'changed who may open a plugin',
};
const kTold = ['plugin', 'version', 'role', 'name', 'reason'];

function details(line: Line): string {
  const all = line.details as Record<string, unknown> | null;
  return kTold.flatMap((name) => (typeof all?.[name] === 'string' ? [all[name] as string] : [])).join(', ');
}
const who = ({ userId, userName }: Line): string => userName ?? (userId ? 'Somebody who has left' : 'An operator');

export function Audit({ team }: { team: Team }): JSX.Element {
  const list = useList<Line>(`team/${team.id}/audit`, async (cursor) => {
    const page = await ask('get', '/api/v1/teams/{id}/audit', { path: { id: team.id }, query: { cursor } });
    return { items: page.lines, next: page.nextCursor };
  });
  return (
    <section aria-labelledby="audit">
      <h2 id="audit">What happened</h2>
      <Shown kept={list}>
        {({ items, next }) => (
          <>
            <ul class="rows">
              {items.map((line) => (
                <li key={line.number}>
                  <span class="who">
                    <span>
                      <b>{who(line)}</b> {kActions[line.action] ?? line.action}
                      {details(line) && `: ${details(line)}`}
                    </span>
                  </span>
                  <time class="note" dateTime={line.at}>
                    {moment(line.at)}
                  </time>
                </li>
              ))}
            </ul>
            <More next={next} run={list.more} />
          </>
        )}
      </Shown>
    </section>
  );
}
