// A wire between the browser and a server on this machine. It can be cut, with all that runs through it, or lose what the
// server answers, and be mended.
import net from 'node:net';

const kPreflight = 2000; // bytes, more than one has

export async function openWire(server) {
  const target = new URL(server);
  const sockets = new Set();
  let [whole, sent, deafAfter] = [true, 0, Infinity];
  const listener = net.createServer((near) => {
    if (!whole) return near.resetAndDestroy();
    const far = net.connect(Number(target.port), '127.0.0.1');
    for (const [one, other] of [
      [near, far],
      [far, near],
    ]) {
      sockets.add(one);
      one.on('error', () => {});
      one.on('close', () => {
        sockets.delete(one);
        other.destroy();
      });
      one.on('data', (data) => {
        if (one === near) sent += data.length;
        else if (sent > deafAfter) return;
        other.write(data);
      });
      one.on('end', () => other.end());
    }
  });
  await new Promise((listening) => listener.listen(0, '127.0.0.1', listening));
  return {
    url: `${target.protocol}//localhost:${listener.address().port}`,
    cut() {
      whole = false;
      for (const socket of sockets) socket.destroy();
    },
    // From the next request with a body on; the browser's preflight of it is still answered.
    deafen() {
      deafAfter = sent + kPreflight;
    },
    mend() {
      whole = true;
      deafAfter = Infinity;
    },
    close() {
      this.cut();
      listener.close();
    },
  };
}
