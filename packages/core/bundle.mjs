// After `tsc -b`: joins the modules of dist/ into lib/, one file an entry of package.json's "exports", with what entries
// share in files of their own. To load some 80 small modules costs a process 55 ms of CPU, to load these files 27
// (Node 20.20.2, two shared cores, 28 November 2026; bench: `pnpm bench --case start`), and under mod_fcgid a process
// starts while a client waits. The text stays readable: nothing is minified, comments stay, types are tsc's.
import { readFile, rm } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'

import { rolldown } from 'rolldown'

const folder = fileURLToPath(new URL('.', import.meta.url))
const { exports } = JSON.parse(await readFile(`${folder}package.json`, 'utf8'))
const names = Object.values(exports)
  .filter((entry) => typeof entry === 'object')
  .map((entry) => entry.default.replace('./lib/', '').replace('.js', ''))

await rm(`${folder}lib`, { recursive: true, force: true })
const bundle = await rolldown({
  input: Object.fromEntries(names.map((name) => [name, `${folder}dist/${name}.js`])),
  platform: 'node',
  external: /^node:/,
  checks: { ineffectiveDynamicImport: false },
})
await bundle.write({
  dir: `${folder}lib`,
  format: 'esm',
  entryFileNames: '[name].js',
  chunkFileNames: 'parts/[name].js',
})
await bundle.close()
