// Who somebody is here, and how they leave.
import type { JSX } from 'preact';
import { ask } from '../core/api';
import { forgetAll } from '../core/kept';
import { done } from '../core/notices';
import { Heading } from '../core/router';
import { type Profile, setProfile } from '../core/session';
import { day } from '../core/words';
import { Confirm, Field, Form } from '../parts/ui';

export default function ProfilePage({ profile }: { profile: Profile }): JSX.Element {
  const save = async ({ name = '' }): Promise<void> => {
    setProfile(await ask('patch', '/api/v1/user/profile', { body: { name } }));
    done('Your name was changed.');
  };
  const leave = async (): Promise<void> => {
    await ask('delete', '/api/v1/user');
    forgetAll();
    location.assign('/sign-in');
  };
  return (
    <div class="narrow">
      <Heading title="Profile" />
      <dl class="facts">
        <dt>Email</dt>
        <dd>{profile.email ?? 'none'}</dd>
        <dt>Signed in by</dt>
        <dd>{profile.provider === 'local' ? 'a link' : profile.provider}</dd>
        <dt>Here since</dt>
        <dd>{day(profile.createdAt)}</dd>
        <dt>Teams</dt>
        <dd>{profile.teams.map((team) => `${team.name} (${team.role})`).join(', ') || 'none'}</dd>
      </dl>
      <Form send={save} button="Save">
        {(trouble) => (
          <Field
            key={profile.name}
            label="Name"
            name="name"
            required
            maxLength={100}
            autoComplete="name"
            defaultValue={profile.name ?? ''}
            trouble={trouble}
          />
        )}
      </Form>
      <h2>Delete your account</h2>
      <p>
        Your profile, your tokens and the teams in which you are alone are deleted. Lines of your teams’ books stay, without
        your name.
      </p>
      <Confirm
        kind="danger"
        title="Delete your account?"
        question={<p>Nothing brings it back. You are signed out everywhere.</p>}
        run={leave}
      >
        Delete your account
      </Confirm>
    </div>
  );
}
