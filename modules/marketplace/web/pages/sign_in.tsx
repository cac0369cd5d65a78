// Where somebody is who is not signed in.
import type { JSX } from 'preact';
import { ask } from '../core/api';
import { useKept } from '../core/kept';
import { Heading, usePlace } from '../core/router';
import { Shown } from '../parts/ui';

export default function SignIn(): JSX.Element {
  const { path, query } = usePlace();
  const here = query.size ? `${path}?${query}` : path;
  const next = path === '/sign-in' ? (query.get('next') ?? '/') : here;
  const kept = useKept('sign-in', () => ask('get', '/auth/session'));
  return (
    <div class="narrow">
      <Heading title="Sign in" />
      <p>Plugfleet has your team’s plugins in one place.</p>
      <Shown kept={kept}>
        {({ signIn }) =>
          signIn === 'provider' ? (
            <p>
              <a class="button primary" href={`/auth/sign-in?next=${encodeURIComponent(next)}`}>
                Sign in with your organisation
              </a>
            </p>
          ) : (
            <div class="card">
              <h2>You sign in by a link</h2>
              <p>
                Whoever runs this server makes one for you with <code>scripts/token sign-in EMAIL</code>. It is good once,
                within 15 minutes: open it in this browser.
              </p>
            </div>
          )
        }
      </Shown>
      <p>
        Or look around first: <a href="/marketplace">the marketplace</a> is open to everybody.
      </p>
    </div>
  );
}
