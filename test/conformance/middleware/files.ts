/** A folder of files to be served, with times that do not change. */
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'

export interface Files {
  readonly folder: string
  remove(): void
}

const when = new Date('2024-01-02T03:04:05Z')

export function makeFiles(): Files {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'fastcgi-middleware-'))
  const content: Record<string, string> = {
    'hello.txt': 'hello, world\n'.repeat(20),
    'index.html': '<!doctype html><title>index</title>',
    'large.txt': Array.from({ length: 20_000 }, (_, at) => `line ${at}\n`).join(''),
    'sub/index.html': '<!doctype html><title>sub</title>',
    'grün.txt': 'umlaut\n',
  }
  for (const [name, text] of Object.entries(content)) {
    const file = path.join(folder, name)
    fs.mkdirSync(path.dirname(file), { recursive: true })
    fs.writeFileSync(file, text)
    fs.utimesSync(file, when, when)
  }
  return { folder, remove: () => fs.rmSync(folder, { recursive: true, force: true }) }
}
