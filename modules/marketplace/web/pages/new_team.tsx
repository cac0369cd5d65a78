// A team is made: the first thing that somebody does who is in none.
import type { JSX } from 'preact';
import { ask } from '../core/api';
import { Heading, go } from '../core/router';
import { chooseTeam, profileChanged } from '../core/session';
import { Field, Form } from '../parts/ui';

export default function NewTeam({ first }: { first: boolean }): JSX.Element {
  const send = async ({ name = '' }): Promise<void> => {
    const team = await ask('post', '/api/v1/teams', { body: { name } });
    chooseTeam(team.id);
    profileChanged();
    go('/');
  };
  return (
    <div class="narrow">
      <Heading title={first ? 'Make your team' : 'Make a team'} />
      <p>
        {first
          ? 'Plugins and credits belong to teams, and you are in none yet. Make one now, or open the invitation that somebody sent you.'
          : 'It starts with you as its owner and only member.'}
      </p>
      <Form send={send} button="Make the team">
        {(trouble) => <Field label="Name" name="name" required maxLength={100} trouble={trouble} autoComplete="organization" />}
      </Form>
    </div>
  );
}
