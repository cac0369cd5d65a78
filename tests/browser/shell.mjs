// node shell.mjs SCENARIO SERVER GIVEN: runs one of shell_*.mjs's scenarios in Chromium against the fleet at SERVER; GIVEN is
// JSON, what shell_test.py made for it. Prints as JSON what the scenario returns; exits 1 and says why when something was
// not as it should be, or took too long. Screenshots go to build/screenshots.
import { mkdirSync } from 'node:fs';
import * as accounts from './shell_accounts.mjs';
import * as frame from './shell_frame.mjs';
import * as marketplace from './shell_marketplace.mjs';
import * as running from './shell_open.mjs';
import { Shell } from './shell_session.mjs';

const [name, server, given] = process.argv.slice(2);
const scenarios = { ...accounts, ...frame, ...marketplace, ...running };
const scenario = scenarios[name];
if (!scenario || !given) throw new Error(`usage: shell.mjs ${Object.keys(scenarios).join('|')} SERVER GIVEN`);

const kPatience = 100_000; // milliseconds
const screenshots = new URL('../../build/screenshots/', import.meta.url);
mkdirSync(screenshots, { recursive: true });

const shell = new Shell({ server, given: JSON.parse(given), screenshots });
const late = new Promise((_, reject) => setTimeout(reject, kPatience, new Error('it takes too long')).unref());
try {
  await shell.open();
  const result = await Promise.race([scenario(shell), late]);
  shell.check();
  console.log(JSON.stringify(result ?? null));
} catch (error) {
  console.error(error);
  await shell.confess(name);
  process.exitCode = 1;
} finally {
  await shell.close();
}
