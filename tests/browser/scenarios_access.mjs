// Scenarios (see scenarios.mjs) for those who use no mouse, or no eyes.
import assert from 'node:assert/strict';
import { Panel } from './panel.mjs';

// From the canvas through a rename to the closed plugin: Tab, Shift, Space, Enter, arrows and Escape are all there is.
export async function keyboardOnly(session) {
  const panel = await Panel.open(session, 'fiftyLayers');
  await panel.use(session.server);
  const { keyboard } = session.page;
  await session.page.locator('iframe').focus();
  await panel.tabTo('Rename layers');
  await keyboard.press('ArrowRight');
  assert.equal((await panel.focused()).name, 'Generate edits');
  await keyboard.press('Home');
  await panel.tabTo('Also the layers inside them');
  await keyboard.press('Space');
  await panel.tabTo('Rename selected layers');
  await keyboard.press('Enter');
  await panel.heading('New names').waitFor();
  assert.equal((await panel.focused()).name, 'New names', 'who cannot see does not learn that the names are there');
  const [first] = await panel.names();
  await panel.tabTo(`${first.old} → ${first.new}`);
  await session.screenshot('keyboard-focus');
  await keyboard.press('Space');
  assert.equal(await panel.option(`${first.old} → ${first.new}`).isChecked(), false);
  await panel.tabTo('Apply');
  await keyboard.press('Enter');
  await panel.says('layers renamed.');
  assert.equal((await panel.focused()).name, 'Rename selected layers');
  await keyboard.press('Escape');
  await session.until(() => session.host('isClosed'), 'Escape did not close the plugin');
}

// Every control of every state has a name and a visible focus, and Tab meets them in the order they stand in.
export async function everyControl(session) {
  const panel = await Panel.open(session, 'card');
  await panel.use(session.server);
  await panel.checkControls();
  await panel.button('Rename selected layers').click();
  await panel.heading('New names').waitFor();
  await panel.checkControls();
  await panel.tab('Generate edits').click();
  await panel.button('Generate edits').click();
  await panel.heading('Variants').waitFor();
  for (const summary of await session.ui.locator('summary').all()) await summary.click();
  await session.screenshot('all-open');
  await panel.checkControls();
  await panel.checkLive();
}
