import { createServer } from 'node:net'
import { once } from 'node:events'
import { describe, expect, it } from 'vitest'
import { rawRecord } from '../../../../test/support/raw-responder.ts'
import { getValues } from './values.ts'

describe('getValues', () => {
  it('asks for the variables and gives those that are known', async () => {
    const asked: Buffer[] = []
    const server = createServer((socket) => {
      socket.on('data', (chunk) => {
        asked.push(chunk as Buffer)
        socket.write(rawRecord(10, 0, '\x0f\x01FCGI_MPXS_CONNS1', 3))
      })
    }).listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as { port: number }
    expect([...(await getValues({ port }))]).toEqual([['FCGI_MPXS_CONNS', '1']])
    expect(Buffer.concat(asked).toString('latin1')).toContain('\x0e\0FCGI_MAX_CONNS')
    server.close()
  })

  it('does not wait for ever, and tells a close', async () => {
    const server = createServer((socket) => {
      if (closes) socket.end()
    }).listen(0, '127.0.0.1')
    let closes = false
    await once(server, 'listening')
    const { port } = server.address() as { port: number }
    await expect(getValues({ port, timeout: 50 })).rejects.toMatchObject({ code: 'FCGI_TIMEOUT' })
    closes = true
    await expect(getValues({ port })).rejects.toMatchObject({ code: 'FCGI_CLOSED' })
    server.close()
  })
})
