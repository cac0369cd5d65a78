// Plugins that run: what they are given, and what a hostile one gets.
import assert from 'node:assert/strict';
import { fileURLToPath } from 'node:url';

const kSoon = 5000; // milliseconds: the shell answers whatever a plugin does

const inFrame = (shell) => shell.page.frameLocator('main iframe');
async function open(shell, slug, link = shell.given.link) {
  await shell.signIn(link, `/open/${slug}`);
  await shell.page.locator('main iframe').waitFor();
}
// The shell still answers its user.
async function answers(shell) {
  const begin = Date.now();
  await shell.page.getByRole('navigation').getByRole('link', { name: 'Profile', exact: true }).click();
  await shell.heading('Profile');
  assert.ok(Date.now() - begin < kSoon, `the shell took ${Date.now() - begin} ms`);
}

export async function aPluginIsGivenItsSession(shell) {
  const { page, given } = shell;
  await page.emulateMedia({ colorScheme: 'light' });
  await open(shell, 'polite');
  await inFrame(shell).getByText(`Hello ${given.email} of ${given.team}, light, 77 credits`).waitFor();
  await shell.everywhere('open');
  await page.emulateMedia({ colorScheme: 'dark' });
  await inFrame(shell).getByText('now dark').first().waitFor();
  const tokens = () => shell.asked().filter((one) => one.endsWith('/plugins/polite/token')).length;
  assert.equal(tokens(), 1);
}

// Before it ends, without the plugin's asking.
export async function aTokenIsRenewed(shell) {
  const { page } = shell;
  await page.clock.install();
  await open(shell, 'polite');
  await inFrame(shell).getByText('77 credits').waitFor();
  const tokens = () => shell.asked().filter((one) => one.endsWith('/plugins/polite/token')).length;
  await page.clock.runFor(8 * 60_000);
  assert.equal(tokens(), 1);
  await page.clock.runFor(70_000);
  await shell.until(() => tokens() === 2, 'the token was not renewed');
  await inFrame(shell).getByText('token 2').waitFor();
}

export async function aNewVersionIsTold(shell) {
  const { page } = shell;
  await page.clock.install();
  await open(shell, 'polite');
  await inFrame(shell).getByText('version 1').waitFor();
  console.log('OPEN'); // the Python side publishes
  await new Promise((told) => process.stdin.once('data', told));
  await page.clock.runFor(311_000);
  await shell.says('Version 2.0.0 is out.');
  await shell.screenshot('shell-new-version');
  await shell.accessible('new version');
  await inFrame(shell).getByText('version 1').waitFor(); // nothing is taken from under its user
  await page.getByRole('button', { name: /with version 2.0.0/ }).click();
  await inFrame(shell).getByText('version 2').waitFor();
  await page.getByText('Version 2.0.0 is out.').waitFor({ state: 'hidden' });
}

export async function aHostilePluginGetsNothing(shell) {
  const { page } = shell;
  await open(shell, 'hostile');
  const report = inFrame(shell).locator('#report');
  await report.waitFor();
  await answers(shell);
  assert.equal(shell.context.pages().length, 1);
  assert.equal(new URL(page.url()).pathname, '/profile');
  await page.goBack();
  await report.waitFor();
  const found = JSON.parse(await report.textContent());
  shell.complaints = shell.complaints.filter((one) => !/^policy: |sandbox|Content Security Policy|CORS|Blocked|SecurityError|Unsafe attempt/i.test(one)); // its own
  return found;
}

// Each is closed with a sentence, and may be opened again.
async function closes(shell, slug, sentence) {
  await shell.signIn(shell.given.link, `/open/${slug}`);
  await shell.says(sentence);
  assert.equal(await shell.page.locator('main iframe').count(), 0);
  await shell.screenshot(`shell-closed-${slug}`);
  await shell.accessible('closed');
  await answers(shell);
}
export const aFloodIsClosed = (shell) => closes(shell, 'flood', 'it sent too many messages');
export const aFloodByItsPortIsClosed = (shell) => closes(shell, 'port-flood', 'it sent too many messages');
export const aPluginThatGoesElsewhereIsClosed = (shell) => closes(shell, 'wanderer', 'it went to another page');

export async function aPluginThatLoopsStopsNothing(shell) {
  await open(shell, 'loop');
  await new Promise((later) => setTimeout(later, 300)); // it has begun by then, or begins meanwhile
  await answers(shell);
}

export async function aPluginThatIsNotThere(shell) {
  await shell.signIn(shell.given.link, '/open/nothing');
  await shell.heading('This plugin is not there');
  await shell.accessible('not there');
}

// ---- The sample plugins ------------------------------------------------------------------------------------------------

export async function theSamples(shell) {
  const { page, given } = shell;
  await shell.signIn(given.link);
  const show = async (slug) => {
    await shell.goto(`/open/${slug}`);
    await inFrame(shell).locator('h1').waitFor();
  };
  await show('wallet');
  await inFrame(shell).getByText('77', { exact: true }).first().waitFor();
  await inFrame(shell).getByText('Design can spend').waitFor();
  await shell.everywhere('sample-wallet', ['light', 'dark'], [1280, 320]);
  await show('usage');
  await inFrame(shell).getByText('Design had 1,234 jobs done').waitFor();
  await shell.everywhere('sample-usage', ['light', 'dark'], [1280, 320]);
  await show('rename');
  const files = ['heading.png', 'photo.png', 'icon-heart.png'].map((name) => fileURLToPath(new URL(`../../modules/figma/sample/${name}`, import.meta.url)));
  await inFrame(shell).getByLabel('Choose pictures').setInputFiles(files);
  await inFrame(shell).getByText('3 named').waitFor();
  await shell.everywhere('sample-rename', ['light', 'dark'], [1280, 320]);
  await page.getByRole('heading', { level: 1 }).waitFor();
  return inFrame(shell).locator('#names b').allTextContents();
}
