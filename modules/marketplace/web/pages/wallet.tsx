// A team's credits, and what moved them.
import type { JSX } from 'preact';
import { type Answer, ask } from '../core/api';
import { useKept } from '../core/kept';
import { useList } from '../core/list';
import { Heading } from '../core/router';
import type { Team } from '../core/session';
import { moment, number } from '../core/words';
import { Empty, More, Shown, Skeleton } from '../parts/ui';

type Entry = Answer<'get', '/api/v1/teams/{id}/wallet/entries'>['entries'][number];

const kKinds: Record<Entry['kind'], string> = {
  grant: 'Added',
  hold: 'Held',
  capture: 'Spent',
  release: 'Given back',
  expiry: 'Given back, expired',
};
const kSigns: Record<Entry['kind'], string> = { grant: '+', hold: '', capture: '−', release: '', expiry: '' };

export default function Wallet({ team }: { team: Team }): JSX.Element {
  const path = { id: team.id };
  const wallet = useKept(`team/${team.id}/wallet`, () => ask('get', '/api/v1/teams/{id}/wallet', { path }));
  const entries = useList(`team/${team.id}/wallet/entries`, async (cursor) => {
    const page = await ask('get', '/api/v1/teams/{id}/wallet/entries', { path, query: { cursor, limit: 50 } });
    return { items: page.entries, next: page.nextCursor };
  });
  return (
    <>
      <Heading title="Wallet" />
      <Shown kept={wallet} skeleton={<Skeleton lines={1} tall />}>
        {({ available, held, balance }) => (
          <dl class="figures">
            <div>
              <dt>Available</dt>
              <dd>{number(available)}</dd>
            </div>
            <div>
              <dt>Held for running jobs</dt>
              <dd>{number(held)}</dd>
            </div>
            <div>
              <dt>Balance</dt>
              <dd>{number(balance)}</dd>
            </div>
          </dl>
        )}
      </Shown>
      <h2>Entries</h2>
      <Shown kept={entries} skeleton={<Skeleton lines={6} />}>
        {({ items, next }) =>
          items.length ? (
            <>
              <table class="rows">
                <thead>
                  <tr>
                    <th>When</th>
                    <th>What</th>
                    <th>Reason</th>
                    <th class="amount">Credits</th>
                  </tr>
                </thead>
                <tbody>
                  {items.map((entry) => (
                    <tr key={entry.number}>
                      <td data-label="When">
                        <time dateTime={entry.at}>{moment(entry.at)}</time>
                      </td>
                      <td data-label="What">{kKinds[entry.kind]}</td>
                      <td data-label="Reason">{entry.reason}</td>
                      <td data-label="Credits" class="amount">
                        {kSigns[entry.kind]}
                        {number(entry.amount)}
                      </td>
                    </tr>
                  ))}
                </tbody>
              </table>
              <More next={next} run={entries.more} />
            </>
          ) : (
            <Empty>
              <p>Nothing has moved yet. Whoever runs this server adds credits; jobs that cost something take them.</p>
            </Empty>
          )
        }
      </Shown>
    </>
  );
}
