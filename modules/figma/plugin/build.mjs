// node build.mjs OUT: compiles the plugin and writes OUT/{manifest.json,code.js,ui.html}. The environment says for
// which server: SERVER (for a published plugin; none: only a fleet on this machine), HTTP_PORT and HTTPS_PORT of that
// fleet. Figma wants one script and one page without links, so the compiled files are joined here. Needs node 18.
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
const out = process.argv[2];
const { SERVER = '', HTTP_PORT = '8080', HTTPS_PORT = '8443' } = process.env;
const local = [`http://localhost:${HTTP_PORT}`, `https://localhost:${HTTPS_PORT}`];
const server = SERVER ? new URL(SERVER).origin : local[0];
const reachable = SERVER ? [server, ...local] : local; // as the manifest says below

// The scripts that `entry` needs, each in a function of its own, as one script.
function joined(folder, entry) {
  const scripts = new Map();
  const take = (name) => {
    if (scripts.has(name)) return;
    scripts.set(name, '');
    const text = readFileSync(join(folder, `${name}.js`), 'utf8');
    scripts.set(
      name,
      text.replace(/require\("(\.[^"]*)"\)/g, (_, path) => {
        const needed = join(dirname(name), path);
        take(needed);
        return `require(${JSON.stringify(needed)})`;
      }),
    );
  };
  take(entry);
  const table = [...scripts].map(([name, text]) => `${JSON.stringify(name)}(exports, require) {\n${text}\n}`);
  return `(() => {
const DEFAULT_SERVER = ${JSON.stringify(server)};
const REACHABLE = ${JSON.stringify(reachable)};
const scripts = {${table.join(',\n')}};
const loaded = {};
const require = (name) => {
  if (!loaded[name]) scripts[name]((loaded[name] = {}), require);
  return loaded[name];
};
require(${JSON.stringify(entry)});
})();\n`;
}

function compiled(project, entry) {
  const folder = mkdtempSync(join(tmpdir(), 'plugfleet-plugin-'));
  const tsc = join(here, 'node_modules/typescript/bin/tsc');
  try {
    const run = spawnSync(process.execPath, [tsc, '-p', join(here, project), '--outDir', folder], { stdio: 'inherit' });
    if (run.status !== 0) throw new Error(`${project}: tsc has complaints`);
    return joined(folder, entry);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const source = (name) => readFileSync(join(here, name), 'utf8');
const code = compiled('tsconfig.json', 'code');
const script = compiled('tsconfig.ui.json', 'ui').replaceAll('</script', '<\\/script');
const page = source('ui.html')
  .replace('<!-- ui.css -->', () => `<style>\n${source('ui.css')}</style>`)
  .replace('<!-- ui.js -->', () => `<script>\n${script}</script>`);
const manifest = JSON.parse(source('manifest.json'));
manifest.networkAccess.devAllowedDomains = local;
if (SERVER) manifest.networkAccess.allowedDomains = [server];

mkdirSync(out, { recursive: true });
writeFileSync(join(out, 'manifest.json'), `${JSON.stringify(manifest, null, 2)}\n`);
writeFileSync(join(out, 'code.js'), code);
writeFileSync(join(out, 'ui.html'), page);
