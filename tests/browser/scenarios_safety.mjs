// Scenarios (see scenarios.mjs) of files that a plugin could harm: what must be as it was, and what must be said.
import assert from 'node:assert/strict';
import { Panel } from './panel.mjs';

const named = (state, name) => state.find((layer) => layer.name === name);

// Five variants are wanted; the first is what the test is about.
async function offerEdits(session, panel, theme, instructions) {
  const state = await session.host('state');
  const frame = state.find(({ name }) => name === theme);
  const ids = new Map(state.map(({ name, id }) => [name, id]));
  const own = instructions.map(({ layer, ...one }) => ({ ...one, layerId: ids.get(layer) }));
  const other = { theme: 'Other', description: '', instructions: [{ action: 'setOpacity', layerId: frame.id, opacity: 0.9 }] };
  const variants = [{ theme: 'Tested', description: '', instructions: own }, ...Array(4).fill(other)];
  await session.script({ text: JSON.stringify({ variants }) });
  await panel.tab('Generate edits').click();
  await panel.button('Generate edits').click();
  await panel.heading('Variants').waitFor();
  await panel.variants.first().check();
}

async function offerNames(session, panel, name) {
  await session.script({ text: name });
  await panel.button('Rename selected layers').click();
  await panel.heading('New names').waitFor();
}

export async function aLibrary(session) {
  const panel = await Panel.open(session, 'library');
  await panel.use(session.server);
  await panel.shows('2 variants keep their names and those inside them');
  await offerNames(session, panel, 'Blue/Button');
  const names = new Map((await panel.names()).map((one) => [one.old, one.new]));
  assert.deepEqual(
    ['_Slot', '.base', 'Icons/Arrow', 'Button set', 'Card'].map((old) => names.get(old)),
    ['_Blue Button', '.Blue Button', 'Icons/Blue Button', 'Blue Button', 'Blue/Button'],
  );
  for (const left of ['Size=S', 'Size=L', 'Label', 'In an instance', 'Hidden']) assert.ok(!names.has(left), left);
  await panel.says('2 variants keep their names and those inside them');
  await panel.says('1 layer left out: nothing of it can be seen.');
  await session.screenshot('library-names');

  // Its picture is there, a click shows it on the canvas, and the name is the designer's to choose.
  await panel.button('Show _Slot on the canvas').click();
  await session.until(async () => (await session.host('inView')).join() === '_Slot', 'it was not shown on the canvas');
  const drawn = panel.button('Show _Slot on the canvas').locator('img');
  assert.ok(await drawn.evaluate((image) => image.decode().then(() => image.naturalWidth > 0)));
  await panel.newName('_Slot').fill('_Slot for a button');
  await panel.newName('Card').fill('');

  // Somebody else is in the file, too.
  await session.host('remove', 'Gone soon');
  await session.host('rename', 'Named soon', 'Named by another');
  await panel.button('Apply').click();
  await panel.says('1 layer is gone. 1 layer got another name meanwhile and keeps it.');
  const after = await session.host('state');
  for (const name of ['_Slot for a button', '.Blue Button', 'Size=S', 'Size=L', 'Named by another', 'Card'])
    assert.ok(named(after, name), `${name} is not there`);

  // Figma's own reason, in its own tab.
  await session.host('select', ['Card']);
  await panel.option('Also the layers inside them').uncheck();
  await offerNames(session, panel, 'Pricing Card');
  await session.host('refuseNames', 'This layer belongs to a library');
  await panel.button('Apply').click();
  const reason = 'Figma refused 1 name: This layer belongs to a library.';
  await panel.complains(reason);
  await panel.tab('Generate edits').click();
  assert.doesNotMatch(await panel.text(), /refused/, 'the other tab says what is not its own');
  await panel.tab('Rename layers').click();
  await panel.complains(reason);
}

export async function delicateFills(session) {
  const panel = await Panel.open(session, 'delicate');
  await panel.use(session.server);
  const before = await session.host('state');
  const fill = (layer) => ({ action: 'setFill', layer, fill: '#FF0000' });
  await offerEdits(session, panel, 'Poster', [
    ...['Tinted', 'Bound', 'Styled', 'Photo', 'Sky', 'Locked', 'Several', 'Empty', 'Line art'].map(fill),
    { action: 'setText', layer: 'Missing', text: 'New' },
    { action: 'move', layer: 'Item', x: 1, y: 1 },
    { action: 'move', layer: 'In an instance', x: 1, y: 1 },
  ]);
  const sent = new Map(session.sent('/api/generate-edits').layers.map(({ name, fill }) => [name, fill]));
  assert.deepEqual(
    ['Photo', 'Sky', 'Tinted', 'Several'].map((name) => sent.get(name)),
    ['image', 'gradient', '#336699', undefined],
  );
  await panel.shows(/^8 changes are left out: .*2 layers let go of their style or variable\.$/);
  const drawn = panel.cards.first().locator('svg rect[fill="#FF0000"]');
  assert.deepEqual(await drawn.evaluateAll((all) => all.map((one) => one.getAttribute('fill-opacity'))), ['0.4', '1', '1', '1']);
  await session.screenshot('delicate-fills');

  await panel.option('The frame itself').check();
  await panel.apply('applied to the frame: 4 changes.');
  const after = await session.host('state');
  for (const name of ['Photo', 'Sky', 'Locked', 'Several', 'Missing', 'Item', 'In an instance', 'Line art'])
    assert.deepEqual(named(after, name), named(before, name));
  const red = { r: 1, g: 0, b: 0 };
  const [hidden, tint] = named(before, 'Tinted').fills;
  assert.deepEqual(named(after, 'Tinted').fills, [hidden, { ...tint, color: red }]);
  assert.deepEqual(named(after, 'Bound').fills, [{ type: 'SOLID', color: red }]);
  assert.deepEqual([named(after, 'Styled').style, named(after, 'Styled').fills[0].color], ['', red]);
  assert.deepEqual(named(after, 'Empty').fills, [{ type: 'SOLID', color: red }]);
  await session.host('undo');
  assert.deepEqual(await session.host('state'), before);

  // Deleted between the preview and Apply.
  await session.host('remove', 'Tinted');
  await panel.apply('applied to the frame: 3 changes. 1 change could not be made there.');
  await session.host('remove', 'Poster');
  await panel.button('Apply').click();
  await panel.complains('The frame is gone.');
}

export async function copiesOfMainComponents(session) {
  const panel = await Panel.open(session, 'library');
  await panel.use(session.server);
  const components = (state) => state.filter(({ type }) => type.startsWith('COMPONENT')).length;
  const before = await session.host('state');
  await session.host('select', ['Size=L']);
  await offerEdits(session, panel, 'Size=L', [{ action: 'setText', layer: 'Large label', text: 'Buy' }]);
  await panel.apply('applied to a copy beside the frame: 1 change.');
  const after = await session.host('state');
  assert.equal(components(after), components(before), 'there is a second main component');
  const copy = named(after, 'Size=L: Tested');
  assert.deepEqual([copy.type, copy.parent], ['FRAME', '0:1']);
  assert.equal(after.find(({ parent }) => parent === copy.id).characters, 'Buy');
  assert.deepEqual(after.slice(0, before.length), before);

  // A frame with a main component in it.
  await session.host('select', ['Card']);
  await offerEdits(session, panel, 'Card', [{ action: 'setOpacity', layer: 'Card', opacity: 0.5 }]);
  await panel.button('Apply').click();
  await panel.complains('inside this frame is a main component');
  assert.deepEqual(await session.host('state'), after);
}

export async function aTurnedFrame(session) {
  const panel = await Panel.open(session, 'turned');
  await panel.use(session.server);
  const before = await session.host('placed');
  await offerEdits(session, panel, 'Turned', [
    { action: 'move', layer: 'Grouped', x: 150, y: 100 },
    { action: 'move', layer: 'Box', x: 100, y: 120 },
    { action: 'move', layer: 'Flipped', x: 10, y: 10 },
    { action: 'resize', layer: 'Lying', width: 20, height: 80 },
  ]);
  const places = session.sent('/api/generate-edits').layers.map(({ name, x, y, width, height }) => [name, x, y, width, height]);
  assert.deepEqual(places, [
    ['Turned', 0, 0, 300, 200],
    ['Box', 20, 30, 40, 20],
    ['Flipped', 70, 40, 30, 30],
    ['Lying', 190, 20, 10, 60],
    ['Group', 220, 140, 50, 40],
    ['Grouped', 220, 140, 50, 40],
  ]);
  // As it is drawn before anything is applied, so it is afterwards.
  const drawn = await panel.cards.first().locator('svg').evaluate((svg) => {
    const box = [...svg.querySelectorAll('rect')].find((rect) => rect.getAttribute('fill') === '#1B998B');
    const { e, f } = box.transform.baseVal.consolidate().matrix;
    return [e, f];
  });
  assert.deepEqual(drawn.map(Math.round), [100, 120]);
  await session.screenshot('turned-frame');
  await panel.apply('applied to a copy beside the frame: 4 changes.');
  const all = await session.host('placed');
  assert.deepEqual(all.slice(0, before.length), before);
  const copy = new Map(all.slice(before.length).map(({ name, transform, size }) => [name, { at: transform.flat().map((part) => Math.round(part * 1000) / 1000), size }]));
  assert.deepEqual(copy.get('Box').at, [1, 0, 100, 0, 1, 120]);
  assert.deepEqual(copy.get('Flipped').at.map((part) => part + 0), [-1, 0, 40, 0, 1, 10]);
  assert.deepEqual(copy.get('Grouped').at, [1, 0, 150, 0, 1, 100]);
  assert.deepEqual(copy.get('Lying').size, [80, 20]);
  assert.deepEqual(copy.get('Turned: Tested').at.slice(0, 2), [0.866, 0.5]);
}

export async function moreThanIsSent(session) {
  const panel = await Panel.open(session, 'manyLayers');
  await panel.use(session.server);
  await panel.shows('1 layer selected, with 6,000 more inside. The first 500 are sent; select the others after these.');
  await session.host('select', ['Big']);
  await panel.tab('Generate edits').click();
  await panel.shows('901 visible layers. The first 500 are sent; 401 layers are left out.');
  assert.deepEqual(session.requests.filter(({ method }) => method === 'POST'), []);
  await session.screenshot('more-than-is-sent');
}

export async function rightToLeftNames(session) {
  for (const theme of ['light', 'dark']) {
    const panel = await Panel.open(session, 'hebrewAndArabic', theme);
    await panel.use(session.server);
    await offerNames(session, panel, 'כפתור כחול 2');
    const rows = await session.ui.getByRole('list', { name: 'New names' }).getByRole('listitem').evaluateAll((all) =>
      all.map((row) => {
        const places = ['bdi', '.arrow', 'input[type=text]'].map((one) => row.querySelector(one).getBoundingClientRect().left);
        return { places, direction: getComputedStyle(row.querySelector('input[type=text]')).direction };
      }),
    );
    assert.equal(rows.length, 4);
    for (const { places, direction } of rows) {
      assert.deepEqual(places, [...places].sort((one, other) => one - other), 'the new name stands before the old');
      assert.equal(direction, 'rtl');
    }
    await session.screenshot(`right-to-left-names-${theme}`);
    await session.ui.locator('html').evaluate((html) => (html.dir = 'rtl'));
    await session.screenshot(`right-to-left-panel-${theme}`);
    await session.host('close');
  }
}

export async function serversOutOfReach(session) {
  const panel = await Panel.open(session, 'card');
  const { port } = new URL(session.server);
  for (const [address, way] of [
    [`https://127.0.0.1:${port}`, 'Figma reaches no address that is made of numbers'],
    ['http://[::1]:8080', 'Figma reaches no address that is made of numbers'],
    ['https://plugins.example.org', /build it with make plugin SERVER=https:\/\/plugins\.example\.org\.$/],
    ['http://localhost:1', `This plugin was built to reach ${session.server} only.`],
    ['http://plugins.example.org', 'The address must begin with https://'],
    ['plugins', 'This is not an address'],
  ]) {
    await panel.enterServer(address);
    await panel.complains(way);
    assert.doesNotMatch(await panel.text(), /Saved/);
  }
  await session.screenshot('server-out-of-reach');
  await panel.use(session.server);
  assert.deepEqual(session.requests.filter(({ method }) => method === 'POST'), []);
}
