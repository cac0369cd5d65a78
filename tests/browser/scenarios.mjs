// What designers do with the plugin when all goes well, and what must come of it. Each scenario gets a Session, leaves
// screenshots, throws where something is not as it should be, and returns what the server's side is compared with.
import assert from 'node:assert/strict';
import { Panel } from './panel.mjs';

export async function renameFiftyLayers(session) {
  const panel = await Panel.open(session, 'fiftyLayers');
  await session.screenshot('rename-1-start');
  assert.deepEqual(session.requests, [], 'sent before a button was pressed');
  await panel.use(session.server);
  await panel.option('Also the layers inside them').uncheck();

  const before = await session.host('state');
  await panel.button('Rename selected layers').click();
  await panel.heading('New names').waitFor();
  const offered = await panel.names();
  assert.ok(offered.length >= 40, `${offered.length} of 50 layers were offered a name`);
  assert.deepEqual(await session.host('state'), before, 'a preview changed the file');
  await session.screenshot('rename-2-preview');

  const [unwanted, ...wanted] = offered;
  await panel.option(`${unwanted.old} → ${unwanted.new}`).uncheck();
  await panel.button('Apply').click();
  await panel.says(`${wanted.length} layers renamed.`);
  await session.screenshot('rename-3-applied');
  const names = new Map(wanted.map((name) => [name.old, name.new]));
  const expected = before.map(({ name, ...others }) => ({ ...others, name: names.get(name) ?? name }));
  assert.deepEqual(await session.host('state'), expected);

  await session.host('undo');
  assert.deepEqual(await session.host('state'), before, 'one undo did not take all of it back');
  assert.equal(await session.host('undoSteps'), 0);
  assert.deepEqual(await session.host('permissions'), { used: ['currentuser'], asked: ['currentuser'] });

  await session.host('close');
  await session.host('run', 'light');
  await panel.tab('Settings').click();
  await panel.shows(session.server); // it remembered
  return { jobs: session.jobs, offered: offered.length };
}

export async function editsWithImages(session) {
  const panel = await Panel.open(session, 'card');
  await panel.use(session.server);
  await panel.tab('Generate edits').click();
  const { prompts } = await session.json('/api/prompts');
  const styles = prompts.map(({ name, isDefault }) => (isDefault && name !== 'Default' ? `${name} (default)` : name));
  await panel.style.getByRole('option', { name: styles.at(-1) }).waitFor({ state: 'attached' });
  assert.deepEqual(await panel.style.getByRole('option').allTextContents(), styles);
  const chosen = prompts.at(-1);
  await panel.style.selectOption(chosen.filename);
  await panel.option('Generate images (takes longer)').check();
  await session.screenshot('edits-1-start');

  const before = await session.host('state');
  await panel.button('Generate edits').click();
  await panel.heading('Variants').waitFor();
  assert.equal(await panel.variants.count(), 5);
  assert.deepEqual(await session.host('state'), before, 'a preview changed the file');
  await session.screenshot('edits-2-variants');

  const pictured = panel.cards.filter({ has: session.ui.locator('svg clipPath + g > image') }).first();
  await pictured.getByRole('radio').check();
  await pictured.locator('summary').click();
  await session.screenshot('edits-3-chosen');
  await panel.apply(/applied to a copy beside the frame/);
  await session.screenshot('edits-4-copy');
  assert.doesNotMatch(await panel.text(), /could not be made/);
  const once = await session.host('state');
  assert.deepEqual(once.slice(0, before.length), before, 'the frame itself was changed');
  const copy = once.slice(before.length);
  assert.equal(copy.length, before.length);
  const isPicture = ({ fills }) => fills.some(({ type }) => type === 'IMAGE');
  const pictures = (layers) => layers.filter(isPicture).map(({ fills }) => fills.find(({ type }) => type === 'IMAGE').imageHash);
  assert.ok(
    pictures(copy).some((hash) => !pictures(before).includes(hash)),
    'no new picture in the copy',
  );
  assert.ok(copy[0].box.x >= before[0].box.x + before[0].box.width, 'the copy covers the frame');

  await panel.variants.nth(1).check();
  await panel.apply(/applied to a copy/);
  assert.equal((await session.host('state')).length, 3 * before.length);
  await session.screenshot('edits-5-two-copies');
  await session.host('undo');
  assert.deepEqual(await session.host('state'), once, 'one undo takes back one variant, no more');

  await panel.variants.nth(2).check();
  await panel.option('The frame itself').check();
  await panel.apply(/applied to the frame/);
  assert.notDeepEqual(await session.host('state'), once);
  await session.host('undo');
  assert.deepEqual(await session.host('state'), once);
  return { jobs: session.jobs, style: chosen.filename };
}

export async function aThemeEach(session) {
  for (const [theme, background, text] of [
    ['light', 'rgb(255, 255, 255)', 'rgba(0, 0, 0, 0.898)'],
    ['dark', 'rgb(44, 44, 44)', 'rgb(255, 255, 255)'],
  ]) {
    const panel = await Panel.open(session, 'card', theme);
    await session.screenshot(`theme-${theme}-first-time`);
    await panel.enterServer('https://plugins.example.org');
    await session.screenshot(`theme-${theme}-settings`);
    await panel.use(session.server);
    await panel.button('Rename selected layers').click();
    await panel.heading('New names').waitFor();
    await session.screenshot(`theme-${theme}-names`);
    await panel.option('All of them (6 of 6 chosen)').uncheck();
    await session.screenshot(`theme-${theme}-none-chosen`);
    await panel.tab('Generate edits').click();
    await session.screenshot(`theme-${theme}-edits`);
    await panel.button('Generate edits').click();
    await panel.heading('Variants').waitFor();
    await panel.variants.first().check();
    await session.screenshot(`theme-${theme}-variants`);
    const colours = await session.ui.locator('body').evaluate((body) => {
      const { backgroundColor, color, colorScheme } = getComputedStyle(body);
      return { backgroundColor, color, colorScheme };
    });
    assert.deepEqual(colours, { backgroundColor: background, color: text, colorScheme: theme });
    await session.host('close');
  }
}
