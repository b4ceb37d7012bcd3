/** Whatever the documentation tells somebody to type or to write into a file is run by a test, or stands in a list with the reason. */
import fs from 'node:fs'
import path from 'node:path'

import { describe, expect, it } from 'vitest'

import { makeProgram } from '../packages/cli/src/program.ts'
import { allBlocks, commands, everything, filesBelow, root } from './support/documents.ts'
import { reasonFor, reasons, runnerOf, testOf } from './support/told.ts'

describe('every page is looked at', () => {
  it('but for those that are made', () => {
    const written = ['docs', 'examples', 'packages', 'test', '.changeset']
      .flatMap((folder) => filesBelow(folder, /\.md$/))
      // Made from the sources, and by `changeset version`.
      .filter(
        (file) =>
          !/^(?:docs\/api|test\/fixtures)\//.test(file) &&
          !/packages\/\w+\/CHANGELOG\.md$/.test(file),
      )
    for (const file of written) expect(everything).toContain(file)
    for (const file of ['README.md', 'CONTRIBUTING.md', 'SECURITY.md'])
      expect(everything).toContain(file)
    // What else lies at the root says nothing to type.
    expect(
      fs
        .readdirSync(root)
        .filter((file) => file.endsWith('.md'))
        .toSorted(),
    ).toEqual(['CHANGELOG.md', 'CONTRIBUTING.md', 'README.md', 'SECURITY.md'])
  })
})

describe('every block has a test that runs it', () => {
  it.each(allBlocks)('$file:$line', (block) => {
    const test = testOf(block)
    expect(test, `nobody runs this block:\n${block.text}`).toBeDefined()
    if (test!.startsWith('test/')) expect(fs.existsSync(path.join(root, test!))).toBe(true)
  })
})

describe('every command has a test that runs it', () => {
  const distinct = [
    ...new Map(commands.map((each) => [`${each.file} ${each.text}`, each])).values(),
  ]

  it.each(distinct)('$file:$line: $text', (command) => {
    expect(
      runnerOf(command),
      'nobody runs it, and no reason is given: test/support/told.ts',
    ).toBeDefined()
  })

  it('or a reason, and no reason is left over', () => {
    const told = new Set(commands.map(({ text }) => reasonFor(text)))
    for (const text of Object.keys(reasons)) expect([...told]).toContain(text)
  })

  it('and a name is one that the command knows', () => {
    const known = makeProgram().commands.map((command) => command.name())
    const named = commands.filter((each) => runnerOf(each) === 'name')
    for (const { text } of named.filter((each) => /^(?:npx )?fastcgi /.test(each.text))) {
      expect([...known, 'help']).toContain(text.replace('npx ', '').split(' ')[1])
    }
  })
})

describe('a command or a block that is new', () => {
  const here = { file: 'docs/faq.md', line: 1 }

  it.each(['systemctl stop it', 'npm exec fastcgi', 'node server.js', 'git push'])(
    '%s is nobody’s',
    (text) => {
      expect(runnerOf({ ...here, text, inline: false })).toBeUndefined()
    },
  )

  it.each(['yaml', 'ts', 'bash'])('in the language %s is nobody’s', (language) => {
    expect(testOf({ ...here, language, text: 'x\n' })).toBeUndefined()
  })
})
