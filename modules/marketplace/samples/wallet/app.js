// The team's credits at a glance, anew each minute while somebody looks.
import { api, begun, make, number, say } from './shell.js';

const kKinds = { grant: 'Added', hold: 'Held', capture: 'Spent', release: 'Given back', expiry: 'Given back' };
const times = new Intl.DateTimeFormat('en', { dateStyle: 'medium', timeStyle: 'short' });
const byId = (id) => document.getElementById(id);

async function show() {
  if (document.hidden) return;
  try {
    const { team } = await begun;
    const [wallet, { entries }] = await Promise.all([
      api('/api/v1/teams/{team}/wallet'),
      api('/api/v1/teams/{team}/wallet/entries?limit=10'),
    ]);
    byId('available').textContent = number(wallet.available);
    byId('entries').replaceChildren(
      ...entries.map(({ at, kind, reason, amount }) =>
        make('li', {}, make('span', { className: 'note', textContent: times.format(new Date(at)) }), make('span', { textContent: `${kKinds[kind]}: ${reason}` }), make('b', { textContent: number(amount) })),
      ),
    );
    say(entries.length ? `${team.name} can spend` : `${team.name} can spend; nothing has moved yet`);
  } catch (error) {
    say(error.message, 'problem');
  }
}

await show();
setInterval(show, 60_000);
