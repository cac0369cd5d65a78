// The link of an invitation: who opens it joins by a press of a button.
import type { JSX } from 'preact';
import { ask } from '../core/api';
import { done } from '../core/notices';
import { go, Heading } from '../core/router';
import { chooseTeam, type Profile, profileChanged } from '../core/session';
import { Form } from '../parts/ui';

export default function Invitation({ profile, token }: { profile: Profile; token: string }): JSX.Element {
  const accept = async (): Promise<void> => {
    const joined = await ask('post', '/api/v1/invitations/{token}/accept', { path: { token } });
    chooseTeam(joined.teamId);
    profileChanged();
    done(`You joined the team; your role is ${joined.role}.`);
    go('/');
  };
  return (
    <div class="narrow">
      <Heading title="Join a team" />
      <p>
        Somebody invited you. You are signed in as <b>{profile.email ?? profile.name ?? 'a user without an address'}</b>: the
        invitation must be for that address.
      </p>
      <Form send={accept} button="Join the team">
        {() => null}
      </Form>
    </div>
  );
}
