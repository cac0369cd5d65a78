// A wire between the browser and a server on this machine. It can be cut, with all that runs through it, or lose what the
// server answers, and be mended.
import net from 'node:net'

export async function openWire(server) {
  const target = new URL(server)
  const sockets = new Set()
  let [whole, deaf] = [true, false]
  const listener = net.createServer((near) => {
    if (!whole) return near.resetAndDestroy()
    const far = net.connect(Number(target.port), '127.0.0.1')
    for (const [one, other] of [[near, far], [far, near]]) {
      sockets.add(one)
      one.on('error', () => {})
      one.on('close', () => {
        sockets.delete(one)
        other.destroy()
      })
      one.on('data', (data) => deaf && one === far || other.write(data))
      one.on('end', () => other.end())
    }
  })
  await new Promise((listening) => listener.listen(0, '127.0.0.1', listening))
  return {
    url: `${target.protocol}//localhost:${listener.address().port}`,
    cut() {
      whole = false
      for (const socket of sockets) socket.destroy()
    },
    deafen() {
      deaf = true
    },
    mend() {
      whole = true
      deaf = false
    },
    close() {
      this.cut()
      listener.close()
    },
  }
}
