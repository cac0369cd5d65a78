// The team's plugins: those that are pinned, then the others.
import type { JSX } from 'preact';
import { Heading } from '../core/router';
import type { Team } from '../core/session';
import { Empty } from '../parts/ui';

export function Home({ team }: { team: Team }): JSX.Element {
  return (
    <>
      <Heading title={team.name} />
      <Empty>
        <p>Your team has no plugins yet.</p>
        <a class="button primary" href="/marketplace">
          Find some in the marketplace
        </a>
      </Empty>
    </>
  );
}
