import { once } from 'node:events'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { createConnection, createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { Generations } from './generations.ts'

let folder = ''
let servers: Server[] = []
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'fcgi-gen-'))
  servers = []
})
afterEach(() => {
  for (const each of servers) each.close()
  rmSync(folder, { recursive: true, force: true })
})

function server(): Server {
  const made = createServer((socket) => socket.destroy())
  servers.push(made)
  return made
}

async function answers(path: string): Promise<boolean> {
  const socket = createConnection(path).on('error', () => {})
  const connected = await new Promise<boolean>((resolve) => {
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false))
  })
  socket.destroy()
  return connected
}

describe('Generations', () => {
  it('gives a number to one of many that want it at once', async () => {
    const generations = new Generations(folder, 'abc')
    expect(generations.newest()).toBe(0n)
    const all = Array.from({ length: 50 }, server)
    const taken = await Promise.all(all.map((each) => generations.take(each, 1n)))
    expect(taken.filter(Boolean)).toHaveLength(1)
    expect(all.filter((each) => each.listening)).toHaveLength(1)
    expect(readdirSync(folder)).toEqual(['abc.1'])
    expect(await answers(generations.path(1n))).toBe(true)
  })

  it('leaves a dead number where it is, and a number below the newest to nobody', async () => {
    const generations = new Generations(folder, 'abc')
    const first = server()
    expect(await generations.take(first, 1n)).toBe(true)
    first.close()
    await once(first, 'close')
    expect(await answers(generations.path(1n))).toBe(false)
    expect(await generations.take(server(), 1n)).toBe(false)
    expect(await generations.take(server(), 20n)).toBe(true)
    // As after a cleaning-up that a slow process has not noticed.
    expect(await generations.take(server(), 2n)).toBe(false)
    expect(generations.newest()).toBe(20n)
    expect(await answers(generations.path(20n))).toBe(true)
  })

  it('cleans up what has long had successors, and counts beyond any number of digits', async () => {
    const generations = new Generations(folder, 'abc')
    for (const number of [1n, 9n, 10n]) await generations.take(server(), number)
    generations.clean(10n)
    expect(readdirSync(folder).sort()).toEqual(['abc.10', 'abc.9'])
    expect(generations.newest()).toBe(10n)
    await new Generations(folder, 'def').take(server(), 99n)
    expect(generations.newest()).toBe(10n)
  })

  it('reads its own paths back', () => {
    const found = Generations.parse(new Generations(folder, 'abc').path(7n))
    expect(found?.number).toBe(7n)
    expect(found?.generations.path(8n)).toBe(join(folder, 'abc.8'))
    expect(Generations.parse('/tmp/key')).toBeUndefined()
  })
})
