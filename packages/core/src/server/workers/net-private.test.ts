// The names of Node's that workers lean on, on the Node that runs this.
import { once } from 'node:events'
import net, { type Socket } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import {
  acceptOn,
  canMakeSockets,
  listeningHandle,
  replaceHandle,
  socketOf,
  type RawHandle,
} from './net-private.ts'

const servers: net.Server[] = []
afterEach(() => {
  for (const server of servers.splice(0)) server.close()
})

async function listening(): Promise<net.Server> {
  const server = net.createServer().listen(0, '127.0.0.1')
  servers.push(server)
  await once(server, 'listening')
  return server
}

describe('handles of Node’s net', () => {
  it('are found under the names that are known: _handle, listen, onconnection, and the option handle', async () => {
    expect(listeningHandle(net.createServer())).toBeUndefined()
    expect(listeningHandle(await listening())).toBeDefined()
    expect(canMakeSockets()).toBe(true)
  })

  it('accept, and what they accept becomes a socket', async () => {
    const server = await listening()
    const handle = listeningHandle(server) as RawHandle
    const accepted = new Promise<Socket>((resolve, reject) => {
      expect(acceptOn(handle, (client) => resolve(socketOf(client)), reject)).toBe(true)
    })
    const client = net.connect((server.address() as net.AddressInfo).port, '127.0.0.1')
    client.end('hello')
    const socket = await accepted
    expect(socket.remotePort).toBe(client.localPort)
    const [bytes] = (await once(socket, 'data')) as [Buffer]
    expect(bytes.toString()).toBe('hello')
    socket.end('bye')
    expect(((await once(client, 'data')) as [Buffer])[0].toString()).toBe('bye')
  })

  it('report what goes wrong as a server does', async () => {
    const handle = listeningHandle(await listening()) as RawHandle
    const failed = new Promise((resolve) => {
      acceptOn(handle, () => {}, resolve)
    })
    handle.onconnection?.(-24, undefined)
    expect(await failed).toMatchObject({ code: 'EMFILE', syscall: 'accept' })
  })

  it('can be replaced: the server counts as listening, and accepts no more', async () => {
    const server = await listening()
    const { port } = server.address() as net.AddressInfo
    let closed = 0
    replaceHandle(server, { close: () => (closed += 1) } as RawHandle)
    expect(server.listening).toBe(true)
    const client = net.connect(port, '127.0.0.1')
    const [error] = (await once(client, 'error')) as [NodeJS.ErrnoException]
    expect(error.code).toBe('ECONNREFUSED')
    server.close()
    expect(closed).toBe(1)
    servers.pop()
  })
})
