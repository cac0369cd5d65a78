// node run.mjs SCENARIO SERVER PROVIDER: runs one of scenarios*.mjs in Chromium, with the plugin and a fake Figma as
// `scripts/dev/plugin for-tests` builds them, against the fleet at SERVER and the fake provider at PROVIDER. Prints as JSON
// what the scenario returns, for plugin_test.py to compare with the server's side; exits 1 and says why when something
// was not as it should be, or took too long. Screenshots go to build/screenshots.
import { mkdirSync } from 'node:fs';
import { Session } from './session.mjs';
import * as whenAllGoesWell from './scenarios.mjs';
import * as access from './scenarios_access.mjs';
import * as safety from './scenarios_safety.mjs';
import * as trouble from './scenarios_trouble.mjs';

const [name, server, provider] = process.argv.slice(2);
const scenarios = { ...whenAllGoesWell, ...trouble, ...access, ...safety };
const scenario = scenarios[name];
if (!scenario || !provider) throw new Error(`usage: run.mjs ${Object.keys(scenarios).join('|')} SERVER PROVIDER`);

const kPatience = 90_000; // milliseconds
const screenshots = new URL('../../build/screenshots/', import.meta.url);
mkdirSync(screenshots, { recursive: true });

const session = new Session({ server, provider, screenshots });
const late = new Promise((_, reject) => setTimeout(reject, kPatience, new Error('it takes too long')).unref());
try {
  await session.open();
  const result = await Promise.race([scenario(session), late]);
  session.check();
  console.log(JSON.stringify(result ?? null));
} catch (error) {
  console.error(error);
  await session.confess(name);
  process.exitCode = 1;
} finally {
  await session.close();
}
