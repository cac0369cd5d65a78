// What holds for every page: the keyboard, what is asked for and how often, a network that is not there, the first load.
import assert from 'node:assert/strict';

const kPages = ['Plugins', 'Team', 'Wallet', 'Profile', 'Tokens'];

// What is kept is not asked for a second time within a minute; what is older is shown while it is asked for anew, and what
// is looked at is asked for every five minutes.
export async function nothingIsAskedTwice(shell) {
  const { page } = shell;
  await page.clock.install();
  await shell.signIn(shell.given.link);
  for (const name of kPages) await shell.follow(name);
  let begin = shell.requests.length;
  for (const name of kPages) await shell.follow(name);
  assert.deepEqual(shell.asked(begin), []);
  assert.equal(shell.asked().filter((one) => one === 'GET /api/v1/user/profile').length, 1);

  await page.clock.fastForward(61_000);
  await page.getByRole('navigation').getByRole('link', { name: 'Wallet', exact: true }).click();
  await page.getByText('Available', { exact: true }).waitFor();
  assert.equal(await page.locator('.skeleton').count(), 0);
  const team = shell.asked().find((one) => one.endsWith('/wallet'));
  await shell.until(() => shell.asked(begin).length === 2, 'what is old is not asked for anew');
  assert.deepEqual(shell.asked(begin).sort(), [team, `${team}/entries`]);

  begin = shell.requests.length;
  await page.clock.runFor(250_000);
  assert.deepEqual(shell.asked(begin).filter((one) => one.startsWith(team)), []);
  await page.clock.runFor(61_000);
  await shell.until(() => shell.asked(begin).filter((one) => one.startsWith(team)).length === 2, 'what is shown for five minutes is not asked for');
}

export async function byKeyboardAlone(shell) {
  const { page, given } = shell;
  await shell.signIn(given.link);
  const focused = () =>
    page.evaluate(() => {
      const { activeElement: it } = document;
      return it?.getAttribute('aria-label') ?? it?.textContent?.trim() ?? '';
    });
  await page.keyboard.press('Tab');
  assert.equal(await focused(), 'Skip to the page');
  await page.keyboard.press('Enter');
  assert.equal(await page.evaluate(() => document.activeElement?.id), 'main');
  await shell.goto('/');
  const walked = [];
  while (walked.at(-1) !== 'Tokens' && walked.length < 30) {
    await page.keyboard.press('Tab');
    walked.push(await focused());
    const seen = await page.evaluate(() => {
      const { outlineStyle, outlineWidth } = getComputedStyle(document.activeElement);
      return outlineStyle !== 'none' && parseFloat(outlineWidth) >= 2;
    });
    assert.ok(seen, `the focus is not seen at ${walked.at(-1)}`);
  }
  assert.deepEqual(walked.filter((one) => kPages.includes(one)), kPages);
  await page.keyboard.press('Enter');
  await shell.settled();
  assert.equal(await focused(), 'Tokens'); // the page's heading
  assert.equal(await page.evaluate(() => document.activeElement?.localName), 'h1');
  assert.equal(await page.title(), 'Tokens · Plugfleet');
  // Where the menu is folded.
  await page.setViewportSize({ width: 320, height: 640 });
  const menu = page.getByRole('button', { name: 'Menu' });
  await menu.focus();
  await page.keyboard.press('Enter');
  await shell.screenshot('shell-menu');
  await shell.accessible('menu');
  await page.keyboard.press('Tab');
  await page.keyboard.press('Escape');
  assert.equal(await focused(), 'Menu');
  assert.equal(await menu.getAttribute('aria-expanded'), 'false');
}

export async function withoutANetwork(shell) {
  const { page, given, context } = shell;
  await shell.signIn(given.link);
  await shell.follow('Team');
  await shell.follow('Profile');
  await context.setOffline(true);
  await shell.says('You are offline.');
  await shell.accessible('offline');
  await shell.follow('Team'); // what is kept is there
  await shell.says(given.email);
  await shell.screenshot('shell-offline');
  await shell.follow('Profile');
  await page.getByLabel('Name', { exact: true }).fill('Ada');
  await page.getByRole('button', { name: 'Save' }).click();
  await page.getByRole('alert').getByText('You are offline. Connect to the internet and try again.').waitFor();
  await page.getByRole('navigation').getByRole('link', { name: 'Wallet', exact: true }).click();
  await shell.heading('This page did not come'); // it was never loaded
  await context.setOffline(false);
  await page.getByRole('button', { name: 'Reload' }).click();
  await shell.heading('Wallet');
}

export async function aServerThatIsNotThere(shell) {
  const { page, given, wire } = shell;
  await shell.signIn(given.link);
  wire.cut();
  await page.getByRole('navigation').getByRole('link', { name: 'Plugins', exact: true }).click();
  await page.getByRole('button', { name: 'Sign out' }).click();
  await page.getByRole('alert').getByText('The server does not answer.').waitFor();
  wire.mend();
  await page.getByRole('button', { name: 'Sign out' }).click();
  await shell.heading('Sign in');
}

// Bytes as they come over the wire, packed; and when one may use what is shown on a line of 1.6 Mbit/s, 150 ms away.
export async function theFirstLoad(shell) {
  const { given } = shell;
  await shell.signIn(given.link);
  const { cookies } = await shell.context.storageState();
  const page = await shell.newPage();
  await shell.context.addCookies(cookies);
  const line = await shell.context.newCDPSession(page);
  await line.send('Network.enable');
  await line.send('Network.setCacheDisabled', { cacheDisabled: true });
  let bytes = 0;
  line.on('Network.loadingFinished', ({ encodedDataLength }) => (bytes += encodedDataLength));
  await line.send('Network.emulateNetworkConditions', { offline: false, latency: 150, downloadThroughput: 200_000, uploadThroughput: 93_750 });
  await page.goto(shell.server);
  await shell.heading(given.team);
  await shell.settled();
  const usable = await page.evaluate(() => performance.now());
  const asked = shell.asked().length;
  return { bytes, usable, asked };
}
