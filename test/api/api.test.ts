/** docs/api says what the sources say: a change of the public interface, or of what is said of it, is seen in review. */
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'

import { afterAll, expect, it } from 'vitest'

import { folder, writeReference } from './reference.mjs'

const made = fs.mkdtempSync(path.join(os.tmpdir(), 'fastcgi-api-'))

afterAll(() => {
  fs.rmSync(made, { recursive: true, force: true })
})

function pages(place: string): Record<string, string> {
  const names = fs.readdirSync(place, { recursive: true, encoding: 'utf8' }).toSorted()
  return Object.fromEntries(
    names
      .filter((name) => name.endsWith('.md'))
      .map((name) => [name, fs.readFileSync(path.join(place, name), 'utf8')]),
  )
}

it('docs/api is what the sources give; `npm run api` writes it', async () => {
  await writeReference(made)
  const [kept, now] = [pages(folder), pages(made)]
  expect(Object.keys(kept)).toEqual(Object.keys(now))
  for (const [name, text] of Object.entries(now)) expect(kept[name], name).toBe(text)
})
