// The pages about people and teams, as those use them who they are for.
import assert from 'node:assert/strict';

export async function signingIn(shell) {
  const { page, given } = shell;
  await shell.goto('/team');
  await shell.heading('Sign in');
  await shell.says('You sign in by a link');
  await shell.everywhere('sign-in');
  await shell.signIn(given.link, '/profile');
  await shell.heading('Profile');
  await shell.says(given.email);
  await shell.everywhere('profile');
  const name = page.getByLabel('Name', { exact: true });
  await name.fill('Ada Lovelace');
  await page.getByRole('button', { name: 'Save' }).click();
  await shell.says('Your name was changed.');
  await page.getByRole('button', { name: 'Sign out' }).click();
  await shell.heading('Sign in');
  await shell.goto('/profile');
  await shell.heading('Sign in');
}

export async function aFirstTeam(shell) {
  const { page, given } = shell;
  await shell.signIn(given.link);
  await shell.heading('Make your team');
  await shell.everywhere('first-team');
  await page.getByLabel('Name', { exact: true }).fill('  ');
  await page.getByRole('button', { name: 'Make the team' }).click();
  await page.locator('[aria-invalid=true]').waitFor(); // the API says why, at the field
  assert.equal(await page.evaluate(() => document.activeElement?.getAttribute('name')), 'name');
  await page.getByLabel('Name', { exact: true }).fill('Analytical engines');
  await page.getByRole('button', { name: 'Make the team' }).click();
  await shell.heading('Analytical engines');
  await page.getByRole('combobox', { name: 'Team' }).selectOption({ label: 'Make another team…' });
  await shell.heading('Make a team');
  await page.getByLabel('Name', { exact: true }).fill('Difference engines');
  await page.getByRole('button', { name: 'Make the team' }).click();
  await shell.heading('Difference engines');
  await page.getByRole('combobox', { name: 'Team' }).selectOption({ label: 'Analytical engines' });
  await shell.heading('Analytical engines');
  await page.reload();
  await shell.heading('Analytical engines'); // it is remembered
}

// One invites, the other joins, becomes an admin, and is removed.
export async function aTeam(shell) {
  const { given } = shell;
  let { page } = shell;
  await shell.signIn(given.owner, '/team');
  await page.getByLabel('Email address').fill(given.guestEmail);
  await page.getByRole('button', { name: 'Invite' }).click();
  const link = page.getByLabel(/^Send this link/);
  await link.waitFor();
  const url = await link.inputValue();
  await page.getByRole('button', { name: 'Copy' }).click();
  await page.getByRole('button', { name: 'Copied' }).waitFor();
  assert.equal(await page.evaluate(() => navigator.clipboard.readText()), url);
  await page.getByRole('button', { name: `Revoke the invitation of ${given.guestEmail}` }).waitFor();
  await shell.says('made the team');
  await shell.everywhere('team');

  page = await shell.newPage();
  await shell.signIn(given.guest, new URL(url).pathname);
  await shell.heading('Join a team');
  await shell.everywhere('invitation');
  await page.getByRole('button', { name: 'Join the team' }).click();
  await shell.says('You joined the team; your role is member.');
  await page.getByRole('status').getByText('Your team has no plugins yet').or(page.getByText('Your team has no plugins yet')).waitFor();
  await shell.follow('Team');
  assert.equal(await page.getByRole('button', { name: 'Invite' }).count(), 0); // a member does not
  await shell.goto(new URL(url).pathname);
  await page.getByRole('button', { name: 'Join the team' }).click();
  await shell.says('this invitation is not valid, or not any more');

  page = await shell.newPage();
  await shell.signIn(given.ownerAgain, '/team');
  const role = page.getByRole('combobox', { name: `Role of ${given.guestEmail}` });
  await role.selectOption('admin');
  await shell.says(`${given.guestEmail} is now an admin.`);
  // The last owner stays one: the change is taken back where it is refused.
  const own = page.getByRole('combobox', { name: `Role of ${given.ownerEmail}` });
  await own.selectOption('viewer');
  await shell.says('a team has at least one owner');
  await shell.until(async () => (await own.inputValue()) === 'owner', 'a refused role stays');
  await page.getByRole('button', { name: `Remove ${given.guestEmail}` }).click();
  const dialog = page.getByRole('dialog', { name: 'Remove from the team?' });
  await dialog.waitFor();
  await shell.accessible('dialog');
  await shell.screenshot('shell-dialog');
  await page.keyboard.press('Escape');
  await dialog.waitFor({ state: 'hidden' });
  await page.getByRole('button', { name: `Remove ${given.guestEmail}` }).click();
  await dialog.getByRole('button', { name: 'Remove from the team' }).click();
  await shell.says(`${given.guestEmail} was removed from the team.`);
  await shell.until(async () => (await role.count()) === 0, 'who was removed is still shown');
}

export async function tokens(shell) {
  const { page, given } = shell;
  await shell.signIn(given.link, '/tokens');
  await shell.says('You have no tokens.');
  await page.getByLabel('Name', { exact: true }).fill('My script');
  await page.getByLabel('It may').selectOption({ label: 'Read and change' });
  await page.getByRole('button', { name: 'Make a token' }).click();
  const token = page.getByLabel(/^The token My script/);
  await token.waitFor();
  const made = await token.inputValue();
  assert.match(made, /^pfu_/);
  await shell.says('read and write');
  await shell.everywhere('tokens');
  await page.getByRole('button', { name: 'Revoke the token My script' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Revoke the token' }).click();
  await shell.says('You have no tokens.');
  assert.equal(await token.count(), 0);
  return { made };
}

export async function wallet(shell) {
  const { page, given } = shell;
  await shell.signIn(given.link, '/wallet');
  await shell.says('1,234');
  await shell.everywhere('wallet');
  assert.equal(await page.getByRole('row').count(), 51); // and the head's
  await page.getByRole('button', { name: 'Show more' }).click();
  await shell.until(async () => (await page.getByRole('row').count()) === given.entries + 1, 'the second page did not come');
}

export async function usage(shell) {
  const { page, given } = shell;
  await shell.signIn(given.link, '/usage');
  await page.getByText('1,234', { exact: true }).first().waitFor();
  await shell.until(async () => (await page.locator('canvas').count()) === 2, 'there are no charts');
  await shell.until(async () => (await page.getByRole('row').count()) > 1, 'there is no table');
  await shell.everywhere('usage');
  await page.getByRole('combobox', { name: 'Numbers by' }).selectOption('plugin');
  await page.getByRole('cell', { name: 'Outside of plugins' }).waitFor();
  await page.getByRole('combobox', { name: 'Time' }).selectOption('7');
  await page.getByText('34', { exact: true }).first().waitFor();
  await shell.settled();
}
