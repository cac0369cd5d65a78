// A team: its members and their roles, who is invited, its name and its end.
import type { JSX } from 'preact';
import { ask } from '../core/api';
import { changeAtOnce, outdate } from '../core/kept';
import { type List, type Page, useList } from '../core/list';
import { done, problem } from '../core/notices';
import { Heading, go } from '../core/router';
import { isAtLeast, type Profile, profileChanged, type Role, type Team } from '../core/session';
import { day } from '../core/words';
import { Confirm, Field, Form, More, Shown, Skeleton } from '../parts/ui';
import { Audit } from './team_audit';
import { Invitations } from './team_invitations';

const kRoles: readonly (readonly [Role, string])[] = [
  ['owner', 'Owner'],
  ['admin', 'Admin'],
  ['member', 'Member'],
  ['viewer', 'Viewer'],
];

type Member = Awaited<ReturnType<typeof membersOf>>['items'][number];

async function membersOf(team: string, cursor: string | undefined) {
  const page = await ask('get', '/api/v1/teams/{id}/members', { path: { id: team }, query: { cursor } });
  return { items: page.members, next: page.nextCursor };
}

export default function TeamPage({ team, profile }: { team: Team; profile: Profile }): JSX.Element {
  const members = useList(`team/${team.id}/members`, (cursor) => membersOf(team.id, cursor));
  const admin = isAtLeast(team.role, 'admin');
  return (
    <>
      <Heading title="Team">{team.name}</Heading>
      <h2>Members</h2>
      <Shown kept={members} skeleton={<Skeleton lines={4} />}>
        {({ items, next }) => (
          <>
            <ul class="rows">
              {items.map((member) => (
                <MemberRow key={member.id} member={member} team={team} profile={profile} list={members} />
              ))}
            </ul>
            <More next={next} run={members.more} />
          </>
        )}
      </Shown>
      {admin && <Invitations team={team} />}
      {admin && <Settings team={team} />}
      {admin && <Audit team={team} />}
    </>
  );
}

interface RowProps {
  member: Member;
  team: Team;
  profile: Profile;
  list: List<Member>;
}
function MemberRow({ member, team, profile, list }: RowProps): JSX.Element {
  const key = `team/${team.id}/members`;
  const path = { id: team.id, userId: member.id };
  const me = member.id === profile.id;
  const name = member.name ?? member.email ?? 'A member without a name';
  // Of owners, owners decide.
  const mayChange = isAtLeast(team.role, member.role === 'owner' ? 'owner' : 'admin');
  const choices = kRoles.filter(([role]) => role !== 'owner' || team.role === 'owner');

  const setRole = async (role: Role): Promise<void> => {
    const change = (page: Page<Member>): Page<Member> => ({
      ...page,
      items: page.items.map((one) => (one.id === member.id ? { ...one, role } : one)),
    });
    try {
      await changeAtOnce(key, change, () => ask('patch', '/api/v1/teams/{id}/members/{userId}', { path, body: { role } }));
      done(`${name} is now ${role === 'owner' || role === 'admin' ? 'an' : 'a'} ${role}.`);
    } catch (thrown) {
      problem(thrown);
    }
    if (me) profileChanged();
  };
  const remove = async (): Promise<void> => {
    await ask('delete', '/api/v1/teams/{id}/members/{userId}', { path });
    if (me) {
      profileChanged();
      go('/');
      done(`You left ${team.name}.`);
    } else {
      outdate(key);
      done(`${name} was removed from the team.`);
    }
  };
  return (
    <li>
      <span class="who">
        <b>
          {name}
          {me && ' (you)'}
        </b>
        {member.email && member.email !== name && <span class="note">{member.email}</span>}
        <span class="note">joined {day(member.joinedAt)}</span>
      </span>
      {mayChange ? (
        <select
          key={list.value === undefined ? '' : member.role}
          aria-label={`Role of ${name}`}
          value={member.role}
          onChange={(event) => void setRole(event.currentTarget.value as Role)}
        >
          {choices.map(([role, text]) => (
            <option key={role} value={role}>
              {text}
            </option>
          ))}
        </select>
      ) : (
        <span class="tag">{kRoles.find(([role]) => role === member.role)?.[1]}</span>
      )}
      {me ? (
        <Confirm
          title="Leave the team?"
          label={`Leave ${team.name}`}
          question={<p>You lose its plugins and its credits at once. Only an invitation brings you back.</p>}
          run={remove}
        >
          Leave
        </Confirm>
      ) : (
        mayChange && (
          <Confirm
            title="Remove from the team?"
            label={`Remove ${name}`}
            question={<p>{name} loses the team’s plugins at once. Only an invitation brings them back.</p>}
            run={remove}
          >
            Remove
          </Confirm>
        )
      )}
    </li>
  );
}

function Settings({ team }: { team: Team }): JSX.Element {
  const path = { id: team.id };
  const rename = async ({ name = '' }): Promise<void> => {
    await ask('patch', '/api/v1/teams/{id}', { path, body: { name } });
    profileChanged();
    done(`The team is called ${name} now.`);
  };
  const remove = async (): Promise<void> => {
    await ask('delete', '/api/v1/teams/{id}', { path });
    profileChanged();
    go('/');
    done(`${team.name} was deleted.`);
  };
  return (
    <section aria-labelledby="team-settings">
      <h2 id="team-settings">Settings</h2>
      <Form send={rename} button="Rename" inline>
        {(trouble) => <Field label="Name of the team" name="name" required maxLength={100} trouble={trouble} key={team.name} defaultValue={team.name} />}
      </Form>
      {team.role === 'owner' && (
        <p>
          <Confirm
            kind="danger"
            title="Delete the team?"
            question={
              <p>
                {team.name}, its members’ access, its plugins’ settings and its credits are gone for everybody, and nothing
                brings them back.
              </p>
            }
            run={remove}
          >
            Delete the team
          </Confirm>
        </p>
      )}
    </section>
  );
}

