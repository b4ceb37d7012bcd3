/** The `.fcgi`: its text, and the form in which Node.js loads it where it lies. */
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { findProgram, isNewEnough } from '../doctor/interpreter.ts'
import { isInstalled, serverPath } from '../doctor/script.ts'
import { manifestOf } from '../entry.ts'

/** A file to write, relative to nothing: paths are absolute. */
export interface Output {
  readonly path: string
  readonly text: string
  readonly executable?: boolean
  /** A symbolic link to a file of that name beside it, in the place of text. */
  readonly link?: string
}

/** What the `.fcgi` is made from. */
export interface ScriptPlan {
  /** The app's file, absolute. */
  readonly entry: string
  /** Folder where the `.fcgi` is to lie, absolute. */
  readonly folder: string
  /** It must lie in that very folder, because the web server looks for it there. */
  readonly fixed: boolean
  /** Name without folder. */
  readonly name: string
  /** `auto`, `env`, or the path of a Node.js. */
  readonly node: string
}

/** What will be written, and what there is to say about it. */
export interface ScriptOutputs {
  /** The `.fcgi`, absolute. */
  readonly script: string
  readonly outputs: readonly Output[]
  /** Package that is needed, and is not installed. */
  readonly missing: string | undefined
  readonly notes: readonly string[]
}

/** Plans the `.fcgi` and what must lie beside it. */
export function planScript(plan: ScriptPlan): ScriptOutputs {
  const listens = callsListen(plan.entry)
  const adapter = listens ? '@fastcgi/core' : adapterFor(plan.entry)
  const missing = isInstalled(adapter, plan.entry) ? undefined : adapter
  const { shebang, notes: about } = chooseNode(plan.node)
  const notes = [...about, ...doubts(plan.entry, shebang)]
  const module = manifestOf(plan.folder)
  const isModule = module?.manifest.type === 'module'
  if (isModule && plan.fixed && module.folder === plan.folder) {
    const target = plan.name.replace(/\.fcgi$/, '-fcgi.mjs')
    return {
      script: path.join(plan.folder, plan.name),
      missing,
      notes: [
        ...notes,
        `package.json says "type": "module", which forbids a .fcgi: ${plan.name} is a link to ${target}. Upload it as a link, or make it there: ln -s ${target} ${plan.name}`,
      ],
      outputs: [
        {
          path: path.join(plan.folder, target),
          text: scriptText(plan, plan.folder, { adapter, shebang, listens, esm: true }),
          executable: true,
        },
        { path: path.join(plan.folder, plan.name), text: '', link: target },
      ],
    }
  }
  const folder = isModule && !plan.fixed ? path.join(plan.folder, 'fcgi') : plan.folder
  const script = path.join(folder, plan.name)
  const outputs: Output[] = [
    {
      path: script,
      text: scriptText(plan, folder, { adapter, shebang, listens, esm: false }),
      executable: true,
    },
  ]
  if (isModule)
    outputs.push({ path: path.join(folder, 'package.json'), text: '{ "type": "commonjs" }\n' })
  return { script, outputs, missing, notes }
}

interface Form {
  readonly adapter: string
  readonly shebang: string
  readonly listens: boolean
  readonly esm: boolean
}

function scriptText(plan: ScriptPlan, folder: string, form: Form): string {
  const app = importable(folder, plan.entry)
  if (form.listens) {
    return form.esm
      ? `${form.shebang}\nimport '@fastcgi/core/register'\n\nawait import(${app})\n`
      : `${form.shebang}\nrequire('@fastcgi/core/register')\nimport(${app})\n`
  }
  const load = form.esm
    ? `import { serve } from '${form.adapter}'`
    : `const { serve } = require('${form.adapter}')`
  return `${form.shebang}\n${load}\n\nserve(() => import(${app}))\n`
}

/** A file as a string of JavaScript that `import` and `require` take from a folder. */
export function importable(folder: string, file: string): string {
  const relative = path.relative(folder, file)
  const text = JSON.stringify(/^\.\.?\//.test(relative) ? relative : `./${relative}`)
  return text.includes("'") || text.includes('\\') ? text : text.replaceAll('"', "'")
}

/** Whether an app listens by itself and exports nothing. */
function callsListen(entry: string): boolean {
  const text = readFileSync(entry, 'utf8')
  return (
    /\.listen\s*\(/.test(text) &&
    !/export\s+default|export\s*\{[^}]*\bdefault\b|module\.exports\s*=/.test(text)
  )
}

/** What will keep the app from loading, as far as its text tells. */
function doubts(entry: string, shebang: string): string[] {
  const name = path.basename(entry)
  const [, named = ''] = /^#!(\/\S*)$/.exec(shebang) ?? []
  const node = named === '' ? (findProgram('node', serverPath) ?? process.execPath) : named
  if (/\.[cm]?ts$/.test(name) && !isNewEnough(node, [22, 18])) {
    return [
      `${node} does not run ${name}: Node.js does from 22.18 on. Or compile it, and name what came of it: --entry dist/app.js`,
    ]
  }
  const text = readFileSync(entry, 'utf8')
  return /\bexports\b|\bexport\b|\.listen\s*\(/.test(text)
    ? []
    : [`${name} exports nothing: it must end with export default app, or module.exports = app`]
}

/** The adapter for what the app imports, else for what is installed. */
function adapterFor(entry: string): string {
  const text = readFileSync(entry, 'utf8')
  const frameworks = ['express', 'koa', 'fastify'] as const
  const imported = frameworks.find((name) =>
    new RegExp(`(?:from\\s+|require\\(\\s*|import\\(\\s*)['"]${name}['"]`).test(text),
  )
  if (imported !== undefined) return `@fastcgi/${imported}`
  const dependencies = manifestOf(path.dirname(entry))?.manifest.dependencies ?? {}
  const named = frameworks.filter((name) => name in dependencies)
  return named.length === 1 ? `@fastcgi/${named[0]!}` : '@fastcgi/core'
}

/** `env node` where the web server would find one that is new enough, else this very Node.js. */
function chooseNode(wanted: string): { shebang: string; notes: string[] } {
  if (wanted === 'env') return { shebang: '#!/usr/bin/env node', notes: [] }
  if (wanted !== 'auto') return { shebang: `#!${wanted}`, notes: [] }
  const found = findProgram('node', serverPath)
  if (found !== undefined && isNewEnough(found))
    return { shebang: '#!/usr/bin/env node', notes: [] }
  const why =
    found === undefined
      ? 'a web server finds no node in its PATH'
      : `the node that a web server finds (${found}) is too old`
  return {
    shebang: `#!${process.execPath}`,
    notes: [
      `${why}: the first line names this Node.js, ${process.execPath}. After an update of Node.js look at it again (--node PATH)`,
    ],
  }
}
