// Finding plugins and installing them, and those that one has.
import assert from 'node:assert/strict';

export async function searching(shell) {
  const { page, given } = shell;
  const found = (words) => page.getByText(words, { exact: true }).waitFor();
  await shell.goto('/marketplace'); // open to everybody
  await found(`${given.plugins} plugins`);
  const drawn = () => page.getByRole('list', { name: 'Plugins' }).getByRole('listitem').count();
  assert.ok((await drawn()) < 60, `${await drawn()} of them are drawn`);
  await shell.page.setViewportSize({ width: 1280, height: 800 });
  await shell.everywhere('marketplace');
  // To the end of the list, which comes page by page.
  const bottom = () => page.evaluate(() => scrollTo(0, document.scrollingElement.scrollHeight));
  const last = page.getByRole('link', { name: given.last, exact: true });
  await shell.until(async () => (await bottom(), (await last.count()) === 1), 'the last plugin does not come');
  assert.ok((await drawn()) < 60, `${await drawn()} of them are drawn`);
  const pages = shell.requests.filter(({ path, search }) => path === '/api/v1/marketplace' && search.includes('cursor')).length;
  assert.ok(pages >= 2, `${pages} pages were asked for`);

  await page.evaluate(() => scrollTo(0, 0));
  const begin = shell.requests.length;
  await page.getByRole('searchbox', { name: 'Search plugins' }).pressSequentially('colour na', { delay: 20 });
  await found('1 plugin');
  assert.equal(shell.asked(begin).length, 1, 'each key is a request');
  assert.equal(new URL(page.url()).search, '?q=colour+na');
  await page.getByRole('radio', { name: 'design' }).focus();
  await page.keyboard.press('Space');
  await found('1 plugin');
  await page.getByRole('searchbox').fill('nothing like it');
  await shell.says('Nothing is like that.');
  await shell.accessible('nothing found');
  await page.getByRole('button', { name: 'Show all plugins' }).click();
  await found(`${given.plugins} plugins`);
  await page.getByRole('combobox', { name: 'Order' }).selectOption('name');
  await page.getByRole('link', { name: given.first, exact: true }).waitFor();
  await page.goto(`${shell.server}/marketplace?q=colour&sort=new`); // as it was sent on
  await found('1 plugin');
  await page.getByRole('link', { name: 'Colour names' }).click();
  await shell.heading('Colour names');
  await shell.says('What it may do');
  await shell.says('#ff0000 is red'); // its README
  await page.waitForFunction(() => document.querySelector('img.plugin-icon')?.naturalWidth > 0);
  await page.getByRole('link', { name: 'sign in', exact: true }).waitFor();
  await shell.everywhere('plugin');
  // Newest first, by their meaning.
  const versions = await page.getByRole('row').locator('b').allTextContents();
  assert.deepEqual(versions, ['1.10.0', '1.2.0']);
  await page.goBack();
  await found('1 plugin');
}

// What is done is shown before the server has answered, and taken back where it refuses.
export async function installingAtOnce(shell) {
  const { page, given } = shell;
  await shell.signIn(given.link, '/marketplace/colour-names');
  await shell.heading('Colour names');
  let answer;
  const held = new Promise((go) => (answer = go));
  await page.route('**/plugins/colour-names', async (route) => (await held, route.continue()));
  await page.getByRole('button', { name: /^Install/ }).click();
  await page.getByRole('link', { name: 'Open', exact: true }).waitFor(); // nothing was answered yet
  await shell.says('Colour names is installed for');
  await shell.screenshot('shell-installed');
  await shell.accessible('installed');
  answer();
  await shell.until(() => shell.requests.some(({ method, status }) => method === 'PUT' && status === 201), 'it was not installed');
  await page.unroute('**/plugins/colour-names');
  await page.getByRole('button', { name: 'Undo' }).click();
  await page.getByRole('button', { name: /^Install/ }).waitFor();
  await shell.until(() => shell.requests.some(({ method, status }) => method === 'DELETE' && status === 204), 'it was not undone');

  // Refused: it is taken back, and the reason is told.
  await page.route('**/plugins/colour-names', (route) =>
    route.request().method() === 'PUT'
      ? route.fulfill({ status: 409, contentType: 'application/json', body: '{"error": "conflict", "message": "the team has 200 plugins"}' })
      : route.continue());
  await page.getByRole('button', { name: /^Install/ }).click();
  await page.getByRole('alert').getByText('the team has 200 plugins').waitFor();
  await page.getByRole('button', { name: /^Install/ }).waitFor();
  await page.unroute('**/plugins/colour-names');

  // One version, and with it again when the removal is undone.
  await page.getByRole('button', { name: /^Install/ }).click();
  const version = page.getByRole('combobox', { name: 'Version that the team has' });
  await version.selectOption('1.2.0');
  await shell.says('stays at version 1.2.0');
  await page.getByRole('button', { name: /^Remove/ }).click();
  await page.getByRole('button', { name: /^Install/ }).waitFor();
  await page.getByRole('button', { name: 'Undo' }).last().click();
  await shell.until(async () => (await version.count()) && (await version.inputValue()) === '1.2.0', 'another version came back');

  await shell.follow('Plugins');
  await page.getByRole('link', { name: 'Colour names' }).waitFor();
  await page.getByRole('button', { name: 'Pin Colour names' }).click();
  await page.getByRole('region', { name: 'Pinned' }).getByRole('link', { name: 'Colour names' }).waitFor();
  await shell.until(() => shell.requests.some(({ method, path, status }) => method === 'PUT' && path.includes('/members/') && status === 200), 'it was not pinned');
  await shell.everywhere('home');
}

export async function publishing(shell) {
  const { page, given } = shell;
  await shell.signIn(given.link, '/publish');
  await page.getByLabel('Name', { exact: true }).fill('Tidy tables');
  await page.getByLabel('Short name').fill('Tidy Tables');
  await page.getByLabel('What it does, in a sentence').fill('Sorts the columns of a table');
  await page.getByLabel('Category').fill('design');
  await page.getByRole('button', { name: 'Take the name' }).click();
  await shell.says('must have 2 to 50 of a-z, 0-9 and -');
  await shell.accessible('publish, refused');
  await page.getByLabel('Short name').fill(given.slug);
  await page.getByRole('button', { name: 'Take the name' }).click();
  await shell.says('Tidy tables is yours');
  await shell.everywhere('publish');
  const file = page.getByLabel('Upload a version of Tidy tables');
  await file.setInputFiles({ name: 'wrong.zip', mimeType: 'application/zip', buffer: Buffer.from('no zip') });
  await shell.says('the bundle is no zip');
  await shell.screenshot('shell-publish-refused');
  await file.setInputFiles({ name: 'bundle.zip', mimeType: 'application/zip', buffer: Buffer.from(given.bundle, 'base64') });
  await shell.says('Version 1.0.0 is live.');
  await shell.screenshot('shell-published');
  await page.getByRole('link', { name: 'Tidy tables' }).click();
  await shell.heading('Tidy tables');
}
