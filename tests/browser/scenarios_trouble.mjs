// Scenarios (see scenarios.mjs) where something fails, is cancelled or is hostile.
import assert from 'node:assert/strict';
import { Panel } from './panel.mjs';

// The provider fails whatever it is asked until, in the middle, it is well again.
export async function aProviderOutage(session) {
  await session.script({ status: 500, text: 'upstream exploded' });
  const panel = await Panel.open(session, 'fiftyLayers');
  await panel.use(session.server);
  await panel.option('Also the layers inside them').uncheck();
  const before = await session.host('state');
  await panel.button('Rename selected layers').click();
  await panel.says('0 new names. 50 layers keep their names.');
  await session.screenshot('outage-1-rename');
  assert.deepEqual(await session.host('state'), before);

  await session.script();
  await panel.button('Rename selected layers').click();
  await panel.says('50 new names.');
  return { jobs: session.jobs };
}

export async function aProviderOutageOfEdits(session) {
  await session.script({ status: 500, text: 'upstream exploded' });
  const panel = await Panel.open(session, 'card', 'dark');
  await panel.use(session.server);
  await panel.tab('Generate edits').click();
  await panel.button('Generate edits').click();
  await panel.complains(/^The AI service behind the server failed; try again in/);
  await session.screenshot('outage-2-edits');
  const said = await panel.text();
  for (const technical of [/[{}]/, /provider_error/, /exploded/, /\b50\d\b/]) assert.doesNotMatch(said, technical);
  return { jobs: session.jobs };
}

export async function aCancelledJob(session) {
  await session.script({ times: 8 }, { fault: 'hang' });
  const panel = await Panel.open(session, 'fiftyLayers');
  await panel.use(session.server);
  await panel.option('Also the layers inside them').uncheck();
  const before = await session.host('state');
  await panel.button('Rename selected layers').click();
  await panel.shows(/\(1[0-9] %\)/); // the eight
  await session.screenshot('cancel-1-running');
  await panel.button('Cancel').click();
  await panel.says('Cancelled. Nothing was changed.');
  await session.screenshot('cancel-2-cancelled');
  const [job] = session.jobs;
  await session.until(
    () =>
      session.requests.some(
        ({ method, path, status }) => method === 'DELETE' && path === `/api/jobs/${job}` && status === 202,
      ),
    'no DELETE was answered',
  );
  assert.equal(await panel.button('Cancel').count(), 0);
  assert.ok(await panel.button('Rename selected layers').isEnabled());
  assert.deepEqual(await session.host('state'), before);
  assert.equal(await session.host('undoSteps'), 0);
  return { jobs: session.jobs };
}

export async function aLostConnection(session) {
  await session.script({ latencyMs: 400 });
  const panel = await Panel.open(session, 'fiftyLayers');
  await panel.use(session.server);
  await panel.option('Also the layers inside them').uncheck();
  await panel.button('Rename selected layers').click();
  await panel.shows(/\([1-9][0-9]? %\)/);
  session.wire.cut();
  await panel.says('The connection is lost; trying again…');
  await session.screenshot('lost-1-trying-again');
  session.wire.mend();
  await panel.heading('New names').waitFor();
  await panel.says('50 new names.');
  await session.screenshot('lost-2-recovered');
  return { jobs: session.jobs };
}

// The POST gets there, its answer does not come back. Small layers: a large body needs the server's word on its way.
export async function aLostAnswer(session) {
  const panel = await Panel.open(session, 'card');
  await panel.use(session.server);
  await session.host('select', ['Title', 'Button']);
  await panel.option('Also the layers inside them').uncheck();
  await panel.button('Rename selected layers').click();
  await panel.says('2 new names.');

  await session.script(); // counts from none
  session.wire.deafen();
  await panel.button('Rename selected layers').click();
  await session.until(async () => (await session.provider('/stats')).calls > 0, 'no job began');
  session.wire.cut();
  const posts = () => session.requests.filter(({ method }) => method === 'POST').map(({ status }) => status);
  await session.until(() => posts()[1] === 0, 'the POST did not fail'); // after Chromium's own second try
  session.wire.mend();
  await panel.says('2 new names.');
  assert.deepEqual(posts(), [202, 0, 202]);
  return { jobs: session.jobs };
}

export async function aServerThatIsNotThere(session) {
  session.wire.cut();
  const panel = await Panel.open(session, 'card');
  await panel.use(session.server);
  await panel.button('Rename selected layers').click();
  await panel.complains(`Can't reach ${session.server}; check the address or your network.`);
  await session.screenshot('not-there-1-rename');
  await panel.tab('Generate edits').click();
  await panel.shows(`The styles could not be loaded. Can't reach ${session.server}`);
  await session.screenshot('not-there-2-edits');
}

export async function aNameThatIsMarkup(session) {
  const name = 'Fish &amp; Chips <3'; // tags are the server's to take off; as HTML this would read otherwise
  await session.script({ text: name });
  const panel = await Panel.open(session, 'fiftyLayers');
  await panel.use(session.server);
  await panel.option('Also the layers inside them').uncheck();
  await panel.button('Rename selected layers').click();
  await panel.heading('New names').waitFor();
  assert.deepEqual([...new Set((await panel.names()).map((one) => one.new))], [name]);
}
