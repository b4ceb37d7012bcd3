/** Every recipe is named in the page of its folder, and run by a test. */
import fs from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'

import { exampleFile } from './setup.ts'

const folders = fs
  .readdirSync(exampleFile('.'), { withFileTypes: true })
  .filter((entry) => entry.isDirectory())
  .map(({ name }) => name)

const here = path.dirname(fileURLToPath(import.meta.url))
const tests = (fs.readdirSync(here, { recursive: true }) as string[])
  .filter((file) => file.endsWith('.ts'))
  .map((file) => fs.readFileSync(path.join(here, file), 'utf8'))
  .join('\n')

describe.each(folders)('examples/servers/%s', (folder) => {
  const files = (fs.readdirSync(exampleFile(folder), { recursive: true }) as string[]).filter(
    (file) => file !== 'README.md' && fs.statSync(exampleFile(`${folder}/${file}`)).isFile(),
  )

  it.each(files)('%s is in its README, and in a test', (file) => {
    const page = fs.readFileSync(exampleFile(`${folder}/README.md`), 'utf8')
    expect(page).toContain(`(${file})`)
    expect(tests).toContain(file)
  })
})
