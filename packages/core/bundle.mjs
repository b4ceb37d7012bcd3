// After `tsc -b`: joins the modules of dist/ into lib/. A process that serves loads `index.js` and what that shares with a
// relay; what is seldom wanted stays in files of its own, which are imported when it is. To load some 80 small modules costs a process 55 ms of CPU, to load these files 14 (Node 20.19.0, two
// shared cores, 28 November 2026; bench: `pnpm bench --case start`), and under mod_fcgid a process starts while a
// client waits. The text stays readable: nothing is minified, comments stay (they cost less than can be measured),
// types are tsc's.
import { readFile, rm } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'

import { rolldown } from 'rolldown'

const folder = fileURLToPath(new URL('.', import.meta.url))
const { exports } = JSON.parse(await readFile(`${folder}package.json`, 'utf8'))
const names = Object.values(exports)
  .filter((entry) => typeof entry === 'object')
  .map((entry) => entry.default.replace('./lib/', '').replace('.js', ''))
const entries = Object.fromEntries(names.map((name) => [name, `${folder}dist/${name}.js`]))

/** The modules that each entry loads at once, by its name. */
const loadedBy = new Map()

const reach = {
  name: 'reach',
  buildEnd() {
    for (const name of names) {
      const seen = new Set()
      const visit = (id) => {
        if (seen.has(id) || id.startsWith('node:')) return
        seen.add(id)
        for (const next of this.getModuleInfo(id).importedIds) visit(next)
      }
      visit(entries[name])
      loadedBy.set(name, seen)
    }
  },
}

/**
 * Where a module goes that `index` loads: a relay (`shared`) gets by with less than the whole, and is started by a web
 * server as well. A client loads it all: a file more costs every process that serves 2 ms.
 */
function partOf(id) {
  const loads = (name) => loadedBy.get(name).has(id)
  if (!loads('index')) return null
  return loads('shared') ? 'process' : 'index'
}

/**
 * `import http from 'node:http'` in an ES module reads every export of http, and so the getter of WebSocket, which from
 * Node 22 on loads all of undici: 35 to 45 ms of CPU and some MB that nobody here wants. As CommonJS's `require` does,
 * `process.getBuiltinModule` leaves the getters alone; on Node 20 it saves 2 ms (same bench).
 */
const builtins = {
  name: 'builtins',
  renderChunk(code) {
    return code.replace(
      /^import (?:([\w$]+)(?:, )?)?(\{[^}]*\})? from "(node:[\w/]+)";$/gm,
      (_import, whole, names, builtin) =>
        [
          whole && `const ${whole} = process.getBuiltinModule("${builtin}");`,
          names &&
            `const ${names.replaceAll(' as ', ': ')} = ${whole ?? `process.getBuiltinModule("${builtin}")`};`,
        ]
          .filter(Boolean)
          .join('\n'),
    )
  },
}

await rm(`${folder}lib`, { recursive: true, force: true })
const bundle = await rolldown({
  input: entries,
  platform: 'node',
  external: /^node:/,
  plugins: [reach, builtins],
  preserveEntrySignatures: 'allow-extension',
  checks: { ineffectiveDynamicImport: false },
})
await bundle.write({
  dir: `${folder}lib`,
  format: 'esm',
  entryFileNames: '[name].js',
  chunkFileNames: 'parts/[name].js',
  codeSplitting: {
    includeDependenciesRecursively: false,
    groups: [{ name: partOf, debugName: 'parts of index' }],
  },
})
await bundle.close()
