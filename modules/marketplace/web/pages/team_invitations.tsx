// Who is invited to a team. The link is shown once: whoever invites sends it on.
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { type Answer, ask } from '../core/api';
import { outdate } from '../core/kept';
import { useList } from '../core/list';
import { done } from '../core/notices';
import type { Team } from '../core/session';
import { day } from '../core/words';
import { Confirm, Field, Form, More, Once, Shown, Skeleton } from '../parts/ui';

type Invitation = Answer<'get', '/api/v1/teams/{id}/invitations'>['invitations'][number];

const kRoles: readonly (readonly [Invitation['role'], string])[] = [
  ['member', 'Member: uses plugins'],
  ['viewer', 'Viewer: looks on'],
  ['admin', 'Admin: installs plugins, invites'],
];

export function Invitations({ team }: { team: Team }): JSX.Element {
  const key = `team/${team.id}/invitations`;
  const path = { id: team.id };
  const [made, setMade] = useState<{ email: string; url: string }>();
  const list = useList(key, async (cursor) => {
    const page = await ask('get', '/api/v1/teams/{id}/invitations', { path, query: { cursor, limit: 50 } });
    return { items: page.invitations, next: page.nextCursor };
  });
  const invite = async ({ email = '', role }: Record<string, string>): Promise<void> => {
    const body = { email, role: role as Invitation['role'] };
    const { url } = await ask('post', '/api/v1/teams/{id}/invitations', { path, body });
    setMade({ email, url });
    outdate(key);
  };
  const revoke = async ({ id, email }: Invitation): Promise<void> => {
    await ask('delete', '/api/v1/teams/{id}/invitations/{invitationId}', { path: { id: team.id, invitationId: id } });
    setMade(undefined);
    outdate(key);
    done(`The invitation of ${email} is no longer good.`);
  };
  return (
    <section aria-labelledby="invitations">
      <h2 id="invitations">Invitations</h2>
      <Form send={invite} button="Invite" inline label="Invite somebody">
        {(trouble) => (
          <>
            <Field label="Email address" name="email" type="email" required maxLength={254} autoComplete="off" trouble={trouble} />
            <Field label="Role" name="role" options={kRoles} trouble={trouble} />
          </>
        )}
      </Form>
      <div role="status">
        {made && <Once label={`Send this link to ${made.email}. It is shown only now, and good once, for seven days.`} text={made.url} />}
      </div>
      <Shown kept={list} skeleton={<Skeleton lines={1} />}>
        {({ items, next }) => (
          <>
            <ul class="rows">
              {items.map((one) => (
                <li key={one.id}>
                  <span class="who">
                    <b>{one.email}</b>
                    <span class="note">
                      {one.invitedBy ? `invited by ${one.invitedBy}, ` : ''}good until {day(one.expiresAt)}
                    </span>
                  </span>
                  <span class="tag">{one.role}</span>
                  <Confirm
                    title="Revoke the invitation?"
                    label={`Revoke the invitation of ${one.email}`}
                    question={<p>The link that {one.email} has stops working.</p>}
                    run={() => revoke(one)}
                  >
                    Revoke
                  </Confirm>
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
