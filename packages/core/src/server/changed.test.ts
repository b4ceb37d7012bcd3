import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { watchFiles } from './changed.ts'

const every = 1000
let folder: string
let file: string

beforeEach(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'fcgi-changed-'))
  file = path.join(folder, 'restart.txt')
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
})
afterEach(() => {
  vi.useRealTimers()
  fs.rmSync(folder, { recursive: true })
})

/** So many looks, each over when the file system has answered. */
async function look(times: number): Promise<void> {
  for (let n = 0; n < times; n += 1) {
    vi.advanceTimersByTime(every)
    for (let turn = 0; turn < 3; turn += 1) await fs.promises.stat(folder)
  }
}

const tomorrow = (): number => Date.now() / 1000 + 86_400

describe('watchFiles', () => {
  it('is told once of a file whose time is changed to one day ahead, and whoever begins then never', async () => {
    fs.writeFileSync(file, '')
    const told: string[] = []
    watchFiles([file], (changed) => told.push(`first ${path.basename(changed)}`), every)
    fs.utimesSync(file, tomorrow(), tomorrow())
    await vi.waitFor(async () => {
      await look(1)
      expect(told).toEqual(['first restart.txt'])
    })
    const next = watchFiles([file], () => told.push('next'), every)
    await look(10)
    expect(told).toEqual(['first restart.txt'])
    // A change all the same.
    fs.utimesSync(file, 1, 1)
    await vi.waitFor(async () => {
      await look(1)
      expect(told).toEqual(['first restart.txt', 'next'])
    })
    next.close()
  })

  it.each([
    ['appears', () => fs.writeFileSync(file, '')],
    ['is put in the place of another', () => replace('same')],
    ['has another size', () => fs.appendFileSync(path.join(folder, 'there'), 'more')],
  ])('is told of a file that %s', async (_, change) => {
    const there = path.join(folder, 'there')
    fs.writeFileSync(there, 'same')
    fs.utimesSync(there, 1000, 1000)
    const told: string[] = []
    watchFiles([file, there], (changed) => told.push(changed), every)
    await look(3)
    expect(told).toEqual([])
    change()
    // Another size with the same time, as a quick edit leaves it.
    fs.utimesSync(there, 1000, 1000)
    await vi.waitFor(async () => {
      await look(1)
      expect(told).toHaveLength(1)
    })
  })

  it('is not told of a file that disappears, nor of anything after its end', async () => {
    fs.writeFileSync(file, '')
    const told: string[] = []
    const watch = watchFiles([file], (changed) => told.push(changed), every)
    fs.rmSync(file)
    await look(5)
    watch.close()
    fs.writeFileSync(file, 'again')
    await look(5)
    expect(told).toEqual([])
  })
})

function replace(text: string): void {
  fs.writeFileSync(path.join(folder, 'new'), text)
  fs.utimesSync(path.join(folder, 'new'), 1000, 1000)
  fs.renameSync(path.join(folder, 'new'), path.join(folder, 'there'))
}
