// node build.mjs OUT: bundles the shell into OUT/{index.html,main.DIGEST.js,...}. Each file but index.html has its digest in
// its name. Says how much a browser loads, packed, and fails where that is more than the bounds below. Needs node 18.
import { readFileSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';

const kKilobyte = 1024;
const kFirstLoad = 60 * kKilobyte; // what the first page needs
const kLazyPage = 40 * kKilobyte; // what each other needs besides
const kLazyPages = { usage: 60 * kKilobyte }; // charts

const here = dirname(fileURLToPath(import.meta.url));
const out = process.argv[2];

const { outputFiles, metafile } = await build({
  entryPoints: ['main.tsx', 'style.css', 'icon.svg'],
  absWorkingDir: here,
  outdir: out,
  write: false,
  metafile: true,
  bundle: true,
  splitting: true,
  format: 'esm',
  target: ['es2022', 'chrome111', 'firefox114', 'safari16.4'],
  minify: true,
  jsx: 'automatic',
  jsxImportSource: 'preact',
  loader: { '.svg': 'copy' },
  entryNames: '[name].[hash]',
  chunkNames: '[name].[hash]',
  legalComments: 'linked',
});

// esbuild's digests are in Base32; nginx knows those in hexadecimal digits (core/module.h, Pages).
const kBase32 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';
const inHex = (digest) =>
  [...digest].reduce((number, digit) => number * 32n + BigInt(kBase32.indexOf(digit)), 0n).toString(16).padStart(10, '0');
const renamed = (text) => text.replace(/\b([\w-]+)\.([A-Z2-7]{8})\.(js|css|svg)\b/g, (_, name, digest, type) => `${name}.${inHex(digest)}.${type}`);

const packed = new Map(); // bytes by name
for (const { path, contents } of outputFiles) {
  const name = renamed(basename(path));
  const text = renamed(Buffer.from(contents).toString());
  writeFileSync(join(out, name), text);
  packed.set(name, gzipSync(text, { level: 6 }).length);
}

const outputs = Object.entries(metafile.outputs).map(([path, output]) => [renamed(basename(path)), output]);
const find = (entry) => outputs.find(([, { entryPoint }]) => entryPoint === entry)[0];
// A script and all that it imports before it runs.
function needed(name, into = new Set()) {
  if (into.has(name)) return into;
  into.add(name);
  const [, output] = outputs.find(([other]) => other === name);
  for (const { path, kind } of output.imports) if (kind === 'import-statement') needed(renamed(basename(path)), into);
  return into;
}
const sum = (names) => [...names].reduce((bytes, name) => bytes + packed.get(name), 0);

const [script, style] = [find('main.tsx'), find('style.css')];
const first = needed(script).add(style);
const wrong = [];
const judge = (what, bytes, bound) => {
  console.log(`  ${what.padEnd(16)} ${(bytes / kKilobyte).toFixed(1).padStart(5)} of ${bound / kKilobyte} KB`);
  if (bytes > bound) wrong.push(`${what} takes ${bytes} bytes packed, more than ${bound}`);
};
judge('first load', sum(first), kFirstLoad);
for (const [name, { entryPoint }] of outputs) {
  if (!entryPoint?.startsWith('pages/')) continue;
  const page = basename(entryPoint, '.tsx');
  judge(page, sum([...needed(name)].filter((other) => !first.has(other))), kLazyPages[page] ?? kLazyPage);
}
if (wrong.length) {
  console.error(`The web shell is not built: ${wrong.join('; ')}.`);
  process.exit(1);
}

const at = (name) => `/static/marketplace/${name}`;
const preloads = [...first].filter((name) => name !== script && name.endsWith('.js'));
writeFileSync(
  join(out, 'index.html'),
  readFileSync(join(here, 'index.html'), 'utf8')
    .replace('<!-- icon -->', at(find('icon.svg')))
    .replace('<!-- style -->', at(style))
    .replace('<!-- script -->', at(script))
    .replace('<!-- preloads -->', preloads.map((name) => `<link rel="modulepreload" href="${at(name)}">`).join('\n    ')),
);
