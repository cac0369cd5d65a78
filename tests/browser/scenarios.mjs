// What designers do with the plugin, and what must come of it. Each gets a Session, leaves screenshots, throws where
// something is not as it should be, and returns what the server's side is compared with.
import assert from 'node:assert/strict'
import { Panel } from './panel.mjs'

export async function renameFiftyLayers(session) {
  const panel = await Panel.open(session, 'fiftyLayers')
  await session.screenshot('rename-1-start')
  assert.deepEqual(session.requests, [], 'sent before a button was pressed')
  await panel.use(session.server)
  await panel.option('Also the layers inside them').uncheck()

  const before = await session.host('state')
  await panel.button('Rename selected layers').click()
  await panel.heading('New names').waitFor()
  const offered = await panel.names()
  assert.ok(offered.length >= 40, `${offered.length} of 50 layers were offered a name`)
  assert.deepEqual(await session.host('state'), before, 'a preview changed the file')
  await session.screenshot('rename-2-preview')

  const [unwanted, ...wanted] = offered
  await panel.option(`${unwanted.old} → ${unwanted.new}`).uncheck()
  await panel.button('Apply').click()
  await panel.says(`${wanted.length} layers renamed.`)
  await session.screenshot('rename-3-applied')
  const names = new Map(wanted.map((name) => [name.old, name.new]))
  const expected = before.map(({ name, ...others }) => ({ ...others, name: names.get(name) ?? name }))
  assert.deepEqual(await session.host('state'), expected)

  await session.host('undo')
  assert.deepEqual(await session.host('state'), before, 'one undo did not take all of it back')
  assert.equal(await session.host('undoSteps'), 0)
  assert.deepEqual(await session.host('permissions'), { used: ['currentuser'], asked: ['currentuser'] })

  await session.host('close')
  await session.host('run', 'light')
  await panel.shows(`Server: ${session.server}`) // it remembered
  return { jobs: session.jobs, offered: offered.length }
}

export async function editsWithImages(session) {
  const panel = await Panel.open(session, 'card')
  await panel.use(session.server)
  await panel.tab('Generate edits').click()
  const { prompts } = await session.json('/api/prompts')
  const styles = prompts.map(({ name, isDefault }) => (isDefault && name !== 'Default' ? `${name} (default)` : name))
  await panel.style.getByRole('option', { name: styles.at(-1) }).waitFor({ state: 'attached' })
  assert.deepEqual(await panel.style.getByRole('option').allTextContents(), styles)
  const chosen = prompts.at(-1)
  await panel.style.selectOption(chosen.filename)
  await panel.option('Generate images (takes longer)').check()
  await session.screenshot('edits-1-start')

  const before = await session.host('state')
  await panel.button('Generate edits').click()
  await panel.heading('Variants').waitFor()
  assert.equal(await panel.variants.count(), 5)
  assert.deepEqual(await session.host('state'), before, 'a preview changed the file')
  await session.screenshot('edits-2-variants')

  const pictured = panel.cards.filter({ has: session.ui.getByRole('img') }).first()
  await pictured.getByRole('radio').check()
  await pictured.locator('summary').click()
  await pictured.getByRole('img').first().scrollIntoViewIfNeeded()
  await session.screenshot('edits-3-chosen')
  await panel.apply(/applied to a copy beside the frame/)
  await session.screenshot('edits-4-copy')
  const once = await session.host('state')
  assert.deepEqual(once.slice(0, before.length), before, 'the frame itself was changed')
  const copy = once.slice(before.length)
  assert.equal(copy.length, before.length)
  const isPicture = ({ fills }) => fills.some(({ type }) => type === 'IMAGE')
  const pictures = (layers) => layers.filter(isPicture).map(({ fills }) => fills[0].imageHash)
  assert.ok(pictures(copy).some((hash) => !pictures(before).includes(hash)), 'no new picture in the copy')
  assert.ok(copy[0].box.x >= before[0].box.x + before[0].box.width, 'the copy covers the frame')

  await panel.variants.nth(1).check()
  await panel.apply(/applied to a copy/)
  assert.equal((await session.host('state')).length, 3 * before.length)
  await session.screenshot('edits-5-two-copies')
  await session.host('undo')
  assert.deepEqual(await session.host('state'), once, 'one undo takes back one variant, no more')

  await panel.variants.nth(2).check()
  await panel.option('The frame itself').check()
  await panel.apply(/applied to the frame/)
  assert.notDeepEqual(await session.host('state'), once)
  await session.host('undo')
  assert.deepEqual(await session.host('state'), once)
  return { jobs: session.jobs, style: chosen.filename }
}

// The provider fails whatever it is asked until, in the middle, it is well again.
export async function aProviderOutage(session) {
  await session.script({ status: 500, text: 'upstream exploded' })
  const panel = await Panel.open(session, 'fiftyLayers')
  await panel.use(session.server)
  await panel.option('Also the layers inside them').uncheck()
  const before = await session.host('state')
  await panel.button('Rename selected layers').click()
  await panel.says('0 new names. 50 layers keep their names.')
  await session.screenshot('outage-1-rename')
  assert.deepEqual(await session.host('state'), before)

  await session.script()
  await panel.button('Rename selected layers').click()
  await panel.says('50 new names.')
  return { jobs: session.jobs }
}

export async function aProviderOutageOfEdits(session) {
  await session.script({ status: 500, text: 'upstream exploded' })
  const panel = await Panel.open(session, 'card', 'dark')
  await panel.use(session.server)
  await panel.tab('Generate edits').click()
  await panel.button('Generate edits').click()
  await panel.complains(/^The AI service behind the server failed; try again in/)
  await session.screenshot('outage-2-edits')
  const said = await panel.text()
  for (const technical of [/[{}]/, /provider_error/, /exploded/, /\b50\d\b/]) assert.doesNotMatch(said, technical)
  return { jobs: session.jobs }
}

export async function aCancelledJob(session) {
  await session.script({ times: 8 }, { fault: 'hang' })
  const panel = await Panel.open(session, 'fiftyLayers')
  await panel.use(session.server)
  await panel.option('Also the layers inside them').uncheck()
  const before = await session.host('state')
  await panel.button('Rename selected layers').click()
  await panel.shows(/\(1[0-9] %\)/) // the eight
  await session.screenshot('cancel-1-running')
  await panel.button('Cancel').click()
  await panel.says('Cancelled. Nothing was changed.')
  await session.screenshot('cancel-2-cancelled')
  const [job] = session.jobs
  await session.until(() => session.requests.some(({ method, path, status }) =>
    method === 'DELETE' && path === `/api/jobs/${job}` && status === 202), 'no DELETE was answered')
  assert.equal(await panel.button('Cancel').count(), 0)
  assert.ok(await panel.button('Rename selected layers').isEnabled())
  assert.deepEqual(await session.host('state'), before)
  assert.equal(await session.host('undoSteps'), 0)
  return { jobs: session.jobs }
}

export async function aLostConnection(session) {
  await session.script({ latencyMs: 400 })
  const panel = await Panel.open(session, 'fiftyLayers')
  await panel.use(session.server)
  await panel.option('Also the layers inside them').uncheck()
  await panel.button('Rename selected layers').click()
  await panel.shows(/\([1-9][0-9]? %\)/)
  session.wire.cut()
  await panel.says('The connection is lost; trying again…')
  await session.screenshot('lost-1-trying-again')
  session.wire.mend()
  await panel.heading('New names').waitFor()
  await panel.says('50 new names.')
  await session.screenshot('lost-2-recovered')
  return { jobs: session.jobs }
}

// The POST gets there, its answer does not come back. Small layers: a large body needs the server's word on its way.
export async function aLostAnswer(session) {
  const panel = await Panel.open(session, 'card')
  await panel.use(session.server)
  await session.host('select', ['Title', 'Button'])
  await panel.option('Also the layers inside them').uncheck()
  await panel.button('Rename selected layers').click()
  await panel.says('2 new names.')

  await session.script() // counts from none
  session.wire.deafen()
  await panel.button('Rename selected layers').click()
  await session.until(async () => (await session.provider('/stats')).calls > 0, 'no job began')
  session.wire.cut()
  const posts = () => session.requests.filter(({ method }) => method === 'POST').map(({ status }) => status)
  await session.until(() => posts()[1] === 0, 'the POST did not fail') // after Chromium's own second try
  session.wire.mend()
  await panel.says('2 new names.')
  assert.deepEqual(posts(), [202, 0, 202])
  return { jobs: session.jobs }
}

export async function aServerThatIsNotThere(session) {
  session.wire.cut()
  const panel = await Panel.open(session, 'card')
  await panel.use(session.server)
  await panel.button('Rename selected layers').click()
  await panel.complains(`Can't reach ${session.server}; check the address or your network.`)
  await session.screenshot('not-there-1-rename')
  await panel.tab('Generate edits').click()
  await panel.shows(`The styles could not be loaded. Can't reach ${session.server}`)
  await session.screenshot('not-there-2-edits')
}

export async function aNameThatIsMarkup(session) {
  const name = '<img src=x onerror="alert(1)">'
  await session.script({ text: name })
  const panel = await Panel.open(session, 'fiftyLayers')
  await panel.use(session.server)
  await panel.option('Also the layers inside them').uncheck()
  await panel.button('Rename selected layers').click()
  await panel.heading('New names').waitFor()
  assert.deepEqual([...new Set((await panel.names()).map((one) => one.new))], [name])
  assert.equal(await session.ui.locator('img').count(), 0)
}

export async function aThemeEach(session) {
  for (const [theme, background, text] of [
    ['light', 'rgb(255, 255, 255)', 'rgba(0, 0, 0, 0.898)'],
    ['dark', 'rgb(44, 44, 44)', 'rgb(255, 255, 255)'],
  ]) {
    const panel = await Panel.open(session, 'card', theme)
    await panel.use(session.server)
    await panel.tab('Generate edits').click()
    await panel.button('Generate edits').click()
    await panel.heading('Variants').waitFor()
    await panel.variants.first().check()
    await session.screenshot(`theme-${theme}`)
    const colours = await session.ui.locator('body').evaluate((body) => {
      const { backgroundColor, color, colorScheme } = getComputedStyle(body)
      return { backgroundColor, color, colorScheme }
    })
    assert.deepEqual(colours, { backgroundColor: background, color: text, colorScheme: theme })
    await session.host('close')
  }
}

// From the canvas through a rename to the closed plugin: Tab, Shift, Space, Enter, arrows and Escape are all there is.
export async function keyboardOnly(session) {
  const panel = await Panel.open(session, 'fiftyLayers')
  await panel.use(session.server)
  const { keyboard } = session.page
  await session.page.locator('iframe').focus()
  await panel.tabTo('Rename layers')
  await keyboard.press('ArrowRight')
  assert.equal((await panel.focused()).name, 'Generate edits')
  await keyboard.press('Home')
  await panel.tabTo('Also the layers inside them')
  await keyboard.press('Space')
  await panel.tabTo('Rename selected layers')
  await keyboard.press('Enter')
  await panel.heading('New names').waitFor()
  assert.equal((await panel.focused()).name, 'New names', 'who cannot see does not learn that the names are there')
  const [first] = await panel.names()
  await panel.tabTo(`${first.old} → ${first.new}`)
  await session.screenshot('keyboard-focus')
  await keyboard.press('Space')
  assert.equal(await panel.option(`${first.old} → ${first.new}`).isChecked(), false)
  await panel.tabTo('Apply')
  await keyboard.press('Enter')
  await panel.says('layers renamed.')
  assert.equal((await panel.focused()).name, 'Rename selected layers')
  await keyboard.press('Escape')
  await session.until(() => session.host('isClosed'), 'Escape did not close the plugin')
}

// Every control of every state has a name and a visible focus, and Tab meets them in the order they stand in.
export async function everyControl(session) {
  const panel = await Panel.open(session, 'card')
  await panel.use(session.server)
  await panel.checkControls()
  await panel.button('Rename selected layers').click()
  await panel.heading('New names').waitFor()
  await panel.checkControls()
  await panel.tab('Generate edits').click()
  await panel.button('Generate edits').click()
  await panel.heading('Variants').waitFor()
  for (const summary of await session.ui.locator('summary').all()) await summary.click()
  await session.screenshot('all-open')
  await panel.checkControls()
  await panel.checkLive()
}
