import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { removeOwnSocketFile } from './own-socket-file.ts'

let folder: string

beforeEach(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'fcgi-own-'))
})
afterEach(() => fs.rmSync(folder, { recursive: true }))

describe('removeOwnSocketFile', () => {
  it('removes what mod_fcgid has made for this process, and nothing else', () => {
    const names = ['4711.0', '4711.12', '4712.0', '14711.0', '4711.0.r', '4711', 'app.sock']
    for (const name of names) fs.writeFileSync(path.join(folder, name), '')
    for (const name of names) removeOwnSocketFile(path.join(folder, name), 4711)
    expect(fs.readdirSync(folder).sort()).toEqual(
      names.filter((name) => !['4711.0', '4711.12'].includes(name)).sort(),
    )
  })

  it('minds neither a file that is gone nor a socket without one', () => {
    removeOwnSocketFile(path.join(folder, '4711.0'), 4711)
    removeOwnSocketFile(undefined)
  })
})
