/**
 * FASTCGI_TEST_FUZZ sets the number of conversations, FASTCGI_TEST_SEED which they are; `npm run test:long` plays a
 * million. A finding is written to a file that becomes a regression input in `test/fixtures/fuzz/`.
 */
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { describe, expect, it } from 'vitest'

import { seeds } from './guided/seeds.ts'
import { targets } from './guided/targets.ts'
import { Random } from './fuzz/random.ts'
import { fuzz, play, Target, type Played } from './fuzz/run.ts'

const COUNT = Number(process.env['FASTCGI_TEST_FUZZ'] ?? 3000)
const SEED = Number(process.env['FASTCGI_TEST_SEED'] ?? 1996)
/** A long run says how far it is after each so many. */
const SHOWN_EVERY = 25_000
const fixtures = path.resolve(import.meta.dirname, '../fixtures/fuzz')

function show({ conversations, multiplexed, unchanged, requests }: Played, seconds: number): void {
  const { rss, heapUsed } = process.memoryUsage()
  const descriptors = fs.existsSync('/proc/self/fd') ? fs.readdirSync('/proc/self/fd').length : 0
  console.log(
    `${conversations} conversations (${multiplexed} multiplexed, ${unchanged} unchanged) with ${requests} requests after ${Math.round(seconds)} s, ${Math.round(conversations / seconds)} a second; rss ${rss >> 20} MiB, heap ${heapUsed >> 20} MiB, ${descriptors} descriptors`,
  )
}

describe('mutated conversations', () => {
  it(
    `${COUNT} of them, seed ${SEED}: no exception, no hang, no byte that is none of ours`,
    async () => {
      const start = performance.now()
      const findings = await fuzz(SEED, COUNT, (played) => {
        if (played.conversations % SHOWN_EVERY === 0)
          show(played, (performance.now() - start) / 1000)
      })
      let kept = ''
      if (findings.length > 0) {
        kept = path.join(os.tmpdir(), `fastcgi-fuzz-${SEED}.json`)
        fs.writeFileSync(kept, JSON.stringify(findings, undefined, 1))
      }
      expect(
        findings.map(({ input, message }) => `${input}: ${message}`),
        `the inputs are in ${kept}`,
      ).toEqual([])
    },
    60_000 + COUNT * 10,
  )
})

describe('inputs that once were findings, here or in other implementations', () => {
  const inputs = fs
    .readdirSync(fixtures)
    .filter((name) => name.endsWith('.json'))
    .flatMap(
      (name) =>
        JSON.parse(fs.readFileSync(path.join(fixtures, name), 'utf8')) as {
          name: string
          chunks: string[]
        }[],
    )

  it.each(inputs)('$name', async ({ chunks }) => {
    const complaints: string[] = []
    const target = new Target((message) => void complaints.push(message))
    await target.start()
    try {
      for (let seed = 0; seed < 6; seed++) {
        const bytes = chunks.map((chunk) => Buffer.from(chunk, 'hex'))
        await play(target.path, bytes, [], new Random(seed))
      }
      await target.settle()
    } finally {
      await target.stop()
    }
    expect(complaints).toEqual([])
  })
})

describe('the pure parts, for what `npm run fuzz` begins with and what it has found', () => {
  const folder = path.join(fixtures, 'guided')
  it.each(Object.keys(targets))('%s', (name) => {
    const found = fs
      .readdirSync(folder)
      .filter((file) => file.startsWith(`${name}-`))
      .map((file) => fs.readFileSync(path.join(folder, file)))
    for (const input of [...seeds(name), Buffer.alloc(0), ...found]) targets[name]!(input)
  })
})
