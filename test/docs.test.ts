/**
 * The documentation says what is so: links lead somewhere, commands are understood, configurations are those that the
 * tests of the web servers run, every error code is listed.
 */
import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'

import { describe, expect, it } from 'vitest'

import { PNPM } from '../scripts/setup.mjs'
import { resolveOptions, type ResolvedOptions } from '../packages/core/src/server/options.ts'
import {
  defaultLoadTimeout,
  defaultSharedIdleTimeout,
  defaultWorkerTimeout,
} from '../packages/core/src/server/serve-options.ts'
import { makeProgram } from '../packages/cli/src/program.ts'
import { makeProject } from './support/cli.ts'
import { blocks, documents, filesBelow, read, root } from './support/documents.ts'

/** A heading's anchor as GitHub makes it. */
function anchors(text: string): Set<string> {
  const headings = text.replaceAll(/^```.*?^```$/gms, '').matchAll(/^#{1,6} (.+)$/gm)
  return new Set(
    [...headings].map((match) =>
      match[1]!
        .replaceAll(/\[([^\]]*)\]\([^)]*\)/g, '$1')
        .toLowerCase()
        .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
        .replaceAll(' ', '-'),
    ),
  )
}

/** Pages of the examples, whose configurations test/servers runs. */
const pages = filesBelow('examples', /^README\.md$/)

describe('links', () => {
  it.each([...documents, ...pages, 'SECURITY.md'])('in %s lead to what is there', (file) => {
    const text = read(file).replaceAll(/^```.*?^```$/gms, '')
    for (const [, target] of text.matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^[a-z]+:/.test(target!)) continue
      const [name, anchor] = target!.split('#', 2)
      const place =
        name === '' ? path.join(root, file) : path.resolve(root, path.dirname(file), name!)
      expect(fs.existsSync(place), `${file}: ${target}`).toBe(true)
      if (anchor === undefined || anchor === 'readme') continue
      const page = fs.statSync(place).isDirectory() ? path.join(place, 'README.md') : place
      expect([...anchors(fs.readFileSync(page, 'utf8'))], `${file}: ${target}`).toContain(anchor)
    }
  })
})

describe('commands', () => {
  const lines = blocks
    .filter(({ language }) => language === 'sh')
    .flatMap(({ file, text }) => text.split('\n').map((line) => ({ file, line })))
    .flatMap(({ file, line }) => {
      const words = /^(?:npx )?fastcgi ([^#]+)/.exec(line.trim())?.[1]
      return words === undefined ? [] : [{ file, words: words.trim() }]
    })

  // In a sentence or a table, but for those with places to fill in: `fastcgi init SERVER --mount /app`.
  const inline = documents.flatMap((file) =>
    [
      ...read(file)
        .replaceAll(/^```.*?^```$/gms, '')
        .matchAll(/`(?:npx )?fastcgi ([a-z][^`]*)`/g),
    ]
      .map((match) => ({ file, words: match[1]!.replaceAll(/\s+/g, ' ') }))
      .filter(({ words }) => !/[A-Z]{2}|\[|…/.test(words)),
  )

  it.each([...lines, ...inline])('$file: fastcgi $words', async ({ words }) => {
    const program = makeProgram()
    const ran: string[] = []
    for (const command of program.commands) command.action(() => void ran.push(command.name()))
    await program.parseAsync(words.split(/\s+/), { from: 'user' })
    expect(ran).toHaveLength(1)
  })

  it('are there at all', () => {
    expect(lines.length).toBeGreaterThan(10)
    expect(inline.length).toBeGreaterThan(10)
  })
})

describe('commands on the pages of the examples', () => {
  it.each(pages)('of %s name what is there', (file) => {
    const text = read(file)
    for (const [name] of text.matchAll(/(?<=^cp .*)\bexamples\/[\w./-]+/gm)) {
      expect(fs.existsSync(path.join(root, name)), name).toBe(true)
    }
    const names = filesBelow('examples', /^package\.json$/).map(
      (manifest) => (JSON.parse(read(manifest)) as { name: string }).name,
    )
    for (const [, name] of text.matchAll(/--filter (\S+)/g)) expect(names).toContain(name)
    for (const [version] of text.matchAll(/pnpm@\S+/g)) expect(version).toBe(PNPM)
  })
})

describe('code', () => {
  const code = blocks.filter(({ language }) => language === 'js')

  it.each(code.map((block, i) => ({ ...block, i })))(
    '$file, block $i, is JavaScript',
    ({ text }) => {
      const name = /^(?:import .* from|export )/m.test(text) ? 'block.mjs' : 'block.cjs'
      const project = makeProject({ [name]: text }, [])
      const { status, stderr } = spawnSync(process.execPath, ['--check', project.file(name)], {
        encoding: 'utf8',
      })
      project.remove()
      expect(stderr).toBe('')
      expect(status).toBe(0)
    },
  )

  it.each(blocks.filter(({ language }) => language === 'json'))('$file: JSON', ({ text }) => {
    expect(() => JSON.parse(text) as unknown).not.toThrow()
  })
})

describe('configurations', () => {
  /** Every line, with the places that a user changes taken out. */
  const normal = (line: string): string =>
    line
      .trim()
      .replaceAll(/\$\{\w+\}|\/srv\/\w+/g, '')
      .replaceAll(/\*:\d*/g, '*:')
      .replaceAll(/^(ServerName|server_name).*/g, '$1')
      .replaceAll('"', '')
  const known = (server: string): Set<string> =>
    new Set(
      filesBelow('examples/servers', /^(?!README)/)
        .filter((file) => file.startsWith(`examples/servers/${server}`))
        .flatMap((file) => read(file).split('\n').map(normal)),
    )
  const configs = blocks.filter(
    ({ file, language }) => /^(?:docs\/|README)/.test(file) && /^(?:apache|nginx)$/.test(language),
  )

  it.each(configs.map((block, i) => ({ ...block, i })))(
    '$file, block $i, has lines of the examples only',
    ({ language, text }) => {
      const lines = known(language)
      for (const line of text.split('\n').filter(Boolean)) {
        if (!line.trim().startsWith('#')) expect([...lines], line).toContain(normal(line))
      }
    },
  )
})

describe('docs/errors.md', () => {
  const text = read('docs/errors.md')
  /** Names in the protocol and the environment; no errors. */
  const others =
    /^FCGI_(?:MAX_CONNS|MAX_REQS|MPXS_CONNS|KEEP_CONN|STDERR|DATA|DATA_LENGTH|DATA_LAST_MOD|ROLE|APACHE_ROLE|NULL_REQUEST_ID_)$/
  const sources = filesBelow('packages/core/src', /(?<!\.test)\.ts$/)
    .map(read)
    .join('\n')
  const codes = new Set(
    [...sources.matchAll(/['`[ ]((?:FCGI|CGI_MOUNT|CGI_TARGET)_[A-Z][A-Z_]*[A-Z])\b/g)]
      .map((match) => match[1]!)
      .filter((code) => !others.test(code)),
  )

  it.each([...codes].toSorted())('lists %s', (code) => {
    expect(text).toContain(`\`${code}\``)
  })

  it('lists none that there is not', () => {
    const doubts = /type MountDoubt =([^=]+)\n\n/.exec(
      read('packages/core/src/cgi/warnings.ts'),
    )![1]!
    const made = [...doubts.matchAll(/'([a-z-]+)'/g)].map(
      ([, doubt]) => `CGI_MOUNT_${doubt!.toUpperCase().replace('-', '_')}`,
    )
    expect(made.length).toBeGreaterThan(5)
    for (const code of made) expect(text).toContain(`\`${code}\``)
    const named = [...text.matchAll(/`((?:FCGI|CGI)_[A-Z_]+[A-Z])`/g)].map(([, code]) => code!)
    for (const code of new Set(named)) {
      expect(made.includes(code) || sources.includes(code), code).toBe(true)
    }
  })

  it('lists every check of the doctor', () => {
    const doctor = filesBelow('packages/cli/src/doctor', /(?<!\.test)\.ts$/)
      .map(read)
      .join('\n')
    const checks = [...doctor.matchAll(/\b(?:ok|failed|warning|unknown)\(\s*'([a-z-]+)'/g)].map(
      (match) => match[1]!,
    )
    expect(checks.length).toBeGreaterThan(20)
    for (const check of new Set(checks)) expect(text, check).toContain(`\`${check}\``)
    const [, table] = /^## Checks of the doctor\n([^]*?)^## /m.exec(text)!
    const told = [...table!.matchAll(/^\| (`.*?) \|/gm)].flatMap(([, cell]) =>
      [...cell!.matchAll(/`([a-z-]+)`/g)].map(([, name]) => name!),
    )
    for (const name of told) expect(doctor, name).toContain(`'${name}'`)
  })
})

describe('options in the README of the core', () => {
  const text = read('packages/core/README.md')
  const section = (heading: string, next: string): string =>
    text.slice(text.indexOf(`\n${heading}\n`), text.indexOf(`\n${next}`))
  const rows = section('## Options', '## `createServer')
    .split('\n')
    .filter((line) => line.startsWith('| `'))
    .map((line) => line.split(' | '))
  /** As they stand in the sources, each once: what `serve` and `createServer` take. */
  const options = ['options', 'serve-options', 'observe/options', 'unix-socket'].flatMap((name) =>
    [...read(`packages/core/src/server/${name}.ts`).matchAll(/^ {2}readonly (\w+)\?:/gm)].map(
      (match) => match[1]!,
    ),
  )
  /** Of node:http, and what only tools and adapters want: docs/api has them. */
  const others = [
    'accept',
    'arguments',
    'emitter',
    'handlerError',
    'intercept',
    'scriptAliases',
    'warn',
  ]

  it('are those that there are', () => {
    const told = rows.flatMap(([name]) =>
      [...name!.matchAll(/`(\w+)(?=[`:])/g)].map(([, word]) => word!),
    )
    expect(told.length).toBeGreaterThan(40)
    const named = told.filter((name) => !/^[%]/.test(name))
    for (const name of named) expect([...options, 'maxHeaderSize', 'to']).toContain(name)
    // `format` is one of `accessLog`.
    for (const name of options.filter((each) => ![...others, 'format'].includes(each))) {
      expect(section('## Options', '## `createServer'), name).toContain(`\`${name}`)
    }
  })

  const units = { KiB: 1024, MiB: 1024 ** 2, s: 1000, min: 60_000 } as const
  const limits = section('## Limits', '## `createServer')
    .split('\n')
    .flatMap((line) => {
      const [, name, number, unit] = /^\| `(\w+)` \| (\d+) ?(KiB|MiB|s|min)?/.exec(line) ?? []
      const factor = units[(unit ?? '') as keyof typeof units] ?? 1
      return name === undefined ? [] : [{ name, told: Number(number) * factor }]
    })

  it.each(limits)('say $told for $name, and so it is', ({ name, told }) => {
    expect(resolveOptions()[name as keyof ResolvedOptions]).toBe(told)
  })

  it('say it of every limit', () => {
    const numbers = Object.entries(resolveOptions()).filter(
      ([, value]) => typeof value === 'number',
    )
    expect([...limits.map(({ name }) => name), 'maxHeaderSize'].toSorted()).toEqual(
      numbers.map(([name]) => name).toSorted(),
    )
  })

  it.each([
    { name: 'loadTimeout', told: '60 s', is: defaultLoadTimeout },
    { name: 'workerTimeout', told: '60 s', is: defaultWorkerTimeout },
    { name: 'sharedIdleTimeout', told: '10 min', is: defaultSharedIdleTimeout },
  ])('say $told for $name', ({ name, told, is }) => {
    expect(rows.find(([cell]) => cell === `| \`${name}\``)![1]).toContain(told)
    const [, number, unit] = /^(\d+) (s|min)$/.exec(told)!
    expect(Number(number) * units[unit as keyof typeof units]).toBe(is)
  })
})

describe('docs/faq.md', () => {
  const parts = read('docs/faq.md')
    .split(/^#### /m)
    .slice(1)

  it('has forty questions, each with an answer of its own', () => {
    expect(parts.map((part) => Number(/^(\d+)\. /.exec(part)?.[1]))).toEqual(
      Array.from({ length: 40 }, (_, i) => i + 1),
    )
    const answers = parts.map((part) =>
      part
        .replace(/^.*\n/, '')
        .replace(/^## .*/m, '')
        .trim(),
    )
    for (const [i, answer] of answers.entries())
      expect(answer.length, String(i + 1)).toBeGreaterThan(20)
    expect(new Set(answers).size).toBe(40)
  })
})
