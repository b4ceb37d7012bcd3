import {
  chmodSync,
  chownSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { checkFolder, openFolder, readKey } from './folder.ts'

let place = ''
beforeEach(() => {
  place = mkdtempSync(join(tmpdir(), 'fcgi-folder-'))
})
afterEach(() => {
  vi.unstubAllEnvs()
  rmSync(place, { recursive: true, force: true })
})

const inPlace = (name: string): string => join(place, name)

describe('openFolder', () => {
  it('makes the folder that is named, closed to everybody else, whatever the umask', () => {
    const umask = process.umask(0)
    try {
      const folder = inPlace('private')
      expect(openFolder({ FASTCGI_SHARED_DIR: folder })).toBe(folder)
      expect(lstatSync(folder).mode & 0o7777).toBe(0o700)
      expect(openFolder({ FASTCGI_SHARED_DIR: folder })).toBe(folder)
    } finally {
      process.umask(umask)
    }
  })

  it('takes the next place where one cannot be trusted', () => {
    const runtime = inPlace('run')
    mkdirSync(join(runtime, 'fastcgi'), { recursive: true, mode: 0o755 })
    vi.stubEnv('TMPDIR', place)
    expect(openFolder({ XDG_RUNTIME_DIR: runtime })).toBe(inPlace(`fastcgi-${process.getuid?.()}`))
    chmodSync(join(runtime, 'fastcgi'), 0o700)
    expect(openFolder({ XDG_RUNTIME_DIR: runtime })).toBe(join(runtime, 'fastcgi'))
  })

  it('refuses one whose sockets would have no address', () => {
    expect(() => openFolder({ FASTCGI_SHARED_DIR: inPlace('x'.repeat(100)) })).toThrow(/too long/)
  })
})

describe('checkFolder', () => {
  it('refuses what others may enter, a link, a file, and what is not there', () => {
    const folder = openFolder({ FASTCGI_SHARED_DIR: inPlace('private') })
    checkFolder(folder)
    chmodSync(folder, 0o710)
    expect(() => checkFolder(folder)).toThrow(/open to others/)
    chmodSync(folder, 0o700)
    symlinkSync(folder, inPlace('link'))
    expect(() => checkFolder(inPlace('link'))).toThrow(/no folder/)
    writeFileSync(inPlace('file'), '', { mode: 0o600 })
    expect(() => checkFolder(inPlace('file'))).toThrow(/no folder/)
    expect(() => checkFolder(inPlace('nothing'))).toThrow(/ENOENT/)
  })

  it('refuses a folder that others could replace', () => {
    const above = inPlace('above')
    mkdirSync(above)
    const folder = openFolder({ FASTCGI_SHARED_DIR: join(above, 'private') })
    chmodSync(above, 0o777)
    expect(() => checkFolder(folder)).toThrow(/may be written by others/)
    chmodSync(above, 0o1777)
    checkFolder(folder)
  })

  it('refuses a folder of somebody else', () => {
    // Root can give a folder away; anybody else has root's to look at.
    const own = process.getuid?.() === 0
    const folder = own ? openFolder({ FASTCGI_SHARED_DIR: inPlace('private') }) : '/'
    if (own) chownSync(folder, 12_345, 12_345)
    expect(() => checkFolder(folder)).toThrow(/belongs to user/)
    expect(() => openFolder({ FASTCGI_SHARED_DIR: folder })).toThrow(/belongs to user/)
  })
})

describe('readKey', () => {
  it('makes a key once, for us alone', () => {
    const folder = openFolder({ FASTCGI_SHARED_DIR: inPlace('private') })
    const key = readKey(folder)
    expect(key).toMatch(/^[0-9a-f]{64}$/)
    expect(readKey(folder)).toBe(key)
    expect(lstatSync(join(folder, 'key')).mode & 0o7777).toBe(0o600)
    expect(readFileSync(join(folder, 'key'), 'latin1')).toBe(key)
  })

  it('refuses a key that others can read, a link, and half a key', () => {
    const folder = openFolder({ FASTCGI_SHARED_DIR: inPlace('private') })
    readKey(folder)
    chmodSync(join(folder, 'key'), 0o644)
    expect(() => readKey(folder)).toThrow(/we alone/)
    rmSync(join(folder, 'key'))
    writeFileSync(inPlace('other'), 'a'.repeat(64), { mode: 0o600 })
    symlinkSync(inPlace('other'), join(folder, 'key'))
    expect(() => readKey(folder)).toThrow(/cannot be read/)
    rmSync(join(folder, 'key'))
    writeFileSync(join(folder, 'key'), 'abc', { mode: 0o600 })
    expect(() => readKey(folder)).toThrow(/not complete/)
  })
})
