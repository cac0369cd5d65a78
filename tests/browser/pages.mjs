// Serves the page of the fake Figma, the plugin and the sample pictures to the browser. From this machine over HTTP, as
// the fleet is: Chromium asks whoever sits at it before a page of another network may reach this one.
import { readFile } from 'node:fs/promises';
import http from 'node:http';
import { basename, extname } from 'node:path';
import { fileURLToPath } from 'node:url';

const kFolders = [
  ['/host.html', './'],
  ['/plugin/', '../../build/browser/plugin/'],
  ['/sample/', '../../modules/figma/sample/'],
  ['/', '../../build/browser/'],
];
const kTypes = { '.html': 'text/html', '.js': 'text/javascript', '.json': 'application/json', '.png': 'image/png' };

// The manifest allows `server` in place of the ports that the plugin was built for.
export async function servePages(server) {
  const listener = http.createServer(async ({ url }, reply) => {
    try {
      const [, folder] = kFolders.find(([prefix]) => url.startsWith(prefix));
      let body = await readFile(fileURLToPath(new URL(folder + basename(url), import.meta.url)));
      if (url === '/plugin/manifest.json') {
        const manifest = JSON.parse(body);
        manifest.networkAccess.devAllowedDomains = [server];
        body = JSON.stringify(manifest);
      }
      if (url === '/plugin/ui.html') {
        body = String(body).replace(/(const REACHABLE = )\[.*\]/, `$1${JSON.stringify([server])}`);
      }
      reply.writeHead(200, { 'Content-Type': kTypes[extname(url)] }).end(body);
    } catch (error) {
      reply.writeHead(404).end(String(error));
    }
  });
  await new Promise((listening) => listener.listen(0, '127.0.0.1', listening));
  return {
    url: `http://localhost:${listener.address().port}`,
    close() {
      listener.close();
      listener.closeAllConnections();
    },
  };
}
