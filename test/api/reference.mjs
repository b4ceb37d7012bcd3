// The API reference, docs/api: a page for each entry of package.json's "exports", made from the docstrings. `npm run api`
// writes it; test/api.test.ts fails when it is not what the sources say, so a change of the public interface is seen in
// review. TypeDoc needs TypeScript's own API, which version 7 has not: it takes the TypeScript 6 of test/package.json.
import fs from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

import { Application, Comment, Converter } from 'typedoc'

const root = fileURLToPath(new URL('../..', import.meta.url))

/** Where the reference is kept. */
export const folder = path.join(root, 'docs/api')

/** Every entry point: its source file, and the name users import. */
function entryPoints() {
  return ['core', 'express', 'koa', 'fastify'].flatMap((directory) => {
    const place = path.join(root, 'packages', directory)
    const { name, exports } = JSON.parse(fs.readFileSync(path.join(place, 'package.json'), 'utf8'))
    return Object.entries(exports)
      .filter(([, entry]) => typeof entry === 'object')
      .map(([key, entry]) => ({
        name: path.posix.join(name, key),
        file: path.join(place, entry['@fastcgi/source']),
      }))
  })
}

/** What stands at the head of a file. */
function firstComment(file) {
  const [, text = ''] = /^\/\*\*\s?(.*?)\*\//s.exec(fs.readFileSync(file, 'utf8')) ?? []
  return text.replaceAll(/^ \* ?/gm, '').trim()
}

/** Writes all pages to a folder, which is emptied. */
export async function writeReference(to) {
  const entries = entryPoints()
  const app = await Application.bootstrapWithPlugins({
    entryPoints: entries.map(({ file }) => file),
    tsconfig: path.join(root, 'test/api/tsconfig.json'),
    name: 'API reference',
    logLevel: 'Warn',
    plugin: ['typedoc-plugin-markdown'],
    out: to,
    router: 'module',
    readme: 'none',
    disableSources: true,
    disableGit: true,
    excludeExternals: true,
    excludeInternal: true,
    excludePrivate: true,
    hideBreadcrumbs: true,
    hidePageHeader: true,
    indexFormat: 'table',
    parametersFormat: 'table',
    interfacePropertiesFormat: 'table',
    propertyMembersFormat: 'table',
    typeDeclarationFormat: 'table',
    typeAliasPropertiesFormat: 'table',
    // Types that an option's text says enough of have no page of their own.
    validation: { notExported: false },
    treatWarningsAsErrors: true,
  })
  app.converter.on(Converter.EVENT_RESOLVE_BEGIN, ({ project }) => {
    // In the order in which they were given, under the name by which they are imported.
    for (const [i, module] of (project.children ?? []).entries()) {
      module.name = entries[i].name
      module.comment = new Comment([{ kind: 'text', text: firstComment(entries[i].file) }])
    }
  })
  const project = await app.convert()
  if (project === undefined) throw new Error('the sources could not be read')
  await app.generateOutputs(project)
  if (app.logger.hasErrors() || app.logger.hasWarnings()) throw new Error('see the warnings above')
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await writeReference(folder)
