import path from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { makeProject, type Project } from '../../../../test/support/cli.ts'
import { sourcesOf } from './sources.ts'

let site: Project | undefined
afterEach(() => site?.remove())

describe('sourcesOf', () => {
  it('follows relative imports of every form, and ends where they go round', () => {
    site = makeProject(
      {
        'app.fcgi': "serve(() => import('./app.mjs'))\n",
        'app.mjs':
          "import './a.js'\nexport * from './b'\nimport { x } from 'pkg'\nimport './none.js'\n",
        'a.js': "const c = require('./c')\nconst d = require( './d' )\n",
        'b/index.js': "import x from '../app.mjs'\n",
        'c.json': '{ "not": "require(\'./e\')" }\n',
        'd.js': "require('./a'); require('../' + name)\n",
        'e.js': '',
      },
      [],
    )
    const { folder } = site
    const names = sourcesOf(site.file('app.fcgi')).map((file) => path.relative(folder, file))
    expect(names.toSorted()).toEqual(['a.js', 'app.mjs', 'b/index.js', 'c.json', 'd.js'])
  })
})
