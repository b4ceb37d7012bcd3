import { execFileSync } from 'node:child_process'
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import { once } from 'node:events'
import { createConnection, createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { listenOnSocketFile } from './unix-socket.ts'

let folder = ''
const servers: Server[] = []

function server(): Server {
  const made = createServer((socket) => {
    socket.on('error', () => {})
    socket.end('hello')
  })
  servers.push(made)
  return made
}

async function answer(path: string): Promise<string> {
  const socket = createConnection(path)
  let text = ''
  for await (const chunk of socket) text += String(chunk)
  return text
}

async function leaveStaleSocket(path: string): Promise<void> {
  const dead = createServer().listen(`${path}.tmp`)
  await once(dead, 'listening')
  renameSync(`${path}.tmp`, path)
  dead.close()
  await once(dead, 'close')
}

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'fcgi-sock-'))
})

afterEach(() => {
  for (const made of servers.splice(0)) made.close()
  rmSync(folder, { recursive: true })
})

describe('listenOnSocketFile', () => {
  it('answers on the path, with mode 0660 and nothing else in the folder', async () => {
    const path = join(folder, 'app.sock')
    const file = await listenOnSocketFile(server(), path)
    expect(await answer(path)).toBe('hello')
    expect(lstatSync(path).mode & 0o777).toBe(0o660)
    expect(readdirSync(folder)).toEqual(['app.sock'])
    expect(file.isOurs()).toBe(true)
  })

  it('leaves the umask as it was', async () => {
    const before = process.umask(0o022)
    try {
      await listenOnSocketFile(server(), join(folder, 'app.sock'))
      expect(process.umask()).toBe(0o022)
    } finally {
      process.umask(before)
    }
  })

  it.each([
    [0o600, 0o600],
    ['0666', 0o666],
    ['0o640', 0o640],
  ])('sets mode %s', async (mode, bits) => {
    const path = join(folder, 'app.sock')
    await listenOnSocketFile(server(), path, { mode })
    expect(lstatSync(path).mode & 0o777).toBe(bits)
  })

  it.each([660, 0o1777, -1, 'rw', '888', 1.5])('refuses mode %s', async (mode) => {
    await expect(listenOnSocketFile(server(), join(folder, 'a'), { mode })).rejects.toThrow(
      /mode .* 0o660/,
    )
  })

  it('gives owner and group by number and by name', async () => {
    const user = execFileSync('id', ['-un'], { encoding: 'utf8' }).trim()
    const group = execFileSync('id', ['-gn'], { encoding: 'utf8' }).trim()
    for (const options of [
      { owner: user, group },
      { owner: process.getuid?.(), group: String(process.getgid?.()) },
    ]) {
      const path = join(folder, 'app.sock')
      const made = server()
      const file = await listenOnSocketFile(made, path, options)
      expect([lstatSync(path).uid, lstatSync(path).gid]).toEqual([
        process.getuid?.(),
        process.getgid?.(),
      ])
      file.remove()
    }
  })

  it.each([
    { group: 'no-such-group-here' },
    { owner: 'no-such-user-here' },
    { group: '-s' },
    { group: 'a b' },
    { owner: -1 },
    { owner: 4294967295 },
  ])('refuses %j and makes no file', async (options) => {
    await expect(listenOnSocketFile(server(), join(folder, 'app.sock'), options)).rejects.toThrow(
      /cannot listen on .*app\.sock: (user|group) /,
    )
    expect(readdirSync(folder)).toEqual([])
  })

  it('replaces a stale socket', async () => {
    const path = join(folder, 'app.sock')
    await leaveStaleSocket(path)
    await listenOnSocketFile(server(), path)
    expect(await answer(path)).toBe('hello')
  })

  it('leaves a live socket alone', async () => {
    const path = join(folder, 'app.sock')
    const first = await listenOnSocketFile(server(), path)
    await expect(listenOnSocketFile(server(), path)).rejects.toMatchObject({ code: 'EADDRINUSE' })
    expect(first.isOurs()).toBe(true)
    expect(readdirSync(folder)).toEqual(['app.sock'])
  })

  it('leaves files, folders and symbolic links alone', async () => {
    writeFileSync(join(folder, 'file'), 'precious')
    mkdirSync(join(folder, 'folder'))
    symlinkSync('file', join(folder, 'link'))
    for (const name of ['file', 'folder', 'link']) {
      await expect(listenOnSocketFile(server(), join(folder, name))).rejects.toThrow(/no socket/)
    }
    expect(readdirSync(folder).sort()).toEqual(['file', 'folder', 'link'])
  })

  it('says which path when the folder does not exist', async () => {
    await expect(listenOnSocketFile(server(), join(folder, 'none', 'app.sock'))).rejects.toThrow(
      `cannot listen on ${join(folder, 'none', 'app.sock')}: the folder ${join(folder, 'none')} does not exist`,
    )
  })

  it('says which path when no file can be made there', async () => {
    await expect(listenOnSocketFile(server(), '/proc/app.sock')).rejects.toThrow(
      /^cannot listen on \/proc\/app\.sock: /,
    )
  })

  it('fits a path of 107 bytes whose name is one character', async () => {
    const deep = join(folder, 'd'.repeat(107 - folder.length - 3))
    mkdirSync(deep)
    const path = join(deep, 's')
    expect(path).toHaveLength(107)
    await listenOnSocketFile(server(), path)
    expect(await answer(path)).toBe('hello')
  })
})

describe('SocketFile.remove', () => {
  it('deletes its own file, twice without complaint', async () => {
    const path = join(folder, 'app.sock')
    const file = await listenOnSocketFile(server(), path)
    file.remove()
    file.remove()
    expect(existsSync(path)).toBe(false)
  })

  it("leaves a successor's file, also after the server has closed", async () => {
    const path = join(folder, 'app.sock')
    const old = server()
    const file = await listenOnSocketFile(old, path)
    unlinkSync(path)
    const successor = await listenOnSocketFile(server(), path)
    expect([file.isOurs(), successor.isOurs()]).toEqual([false, true])
    file.remove()
    old.close()
    await once(old, 'close')
    expect(await answer(path)).toBe('hello')
  })

  it('is taken over by a successor once its server has stopped listening', async () => {
    const path = join(folder, 'app.sock')
    const old = server()
    const file = await listenOnSocketFile(old, path)
    old.close()
    await once(old, 'close')
    expect(existsSync(path)).toBe(true)
    await listenOnSocketFile(server(), path)
    file.remove()
    expect(await answer(path)).toBe('hello')
  })
})
