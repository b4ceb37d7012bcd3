// `npm run test:long`: the robustness tests with the numbers that take minutes: 1 GB both ways, a million mutated
// conversations, twenty deploys under load. FASTCGI_TEST_MEGABYTES, FASTCGI_TEST_FUZZ, FASTCGI_TEST_SEED and
// FASTCGI_TEST_DEPLOYS change them. `npm run test:long -- test/servers/deploys`: that alone.
import path from 'node:path'

import { environment, root, run, step } from './run.mjs'
import { build, install } from './setup.mjs'

const env = {
  FASTCGI_TEST_MEGABYTES: '1024',
  FASTCGI_TEST_FUZZ: '1000000',
  FASTCGI_TEST_DEPLOYS: '20',
  FASTCGI_TEST_SEED: String(Date.now() % 1_000_000),
  ...environment(),
}
const files = process.argv.slice(2)
if (!(await install()) || !(await build())) process.exit(1)
const vitest = path.join(root, 'node_modules', 'vitest', 'vitest.mjs')
const usual = ['test/robustness/backpressure', 'test/robustness/fuzz', 'test/servers/deploys']
const wanted = files.length > 0 ? files : usual
const { code } = await step(`Testing at length, seed ${env.FASTCGI_TEST_SEED}`, () =>
  run(process.execPath, [vitest, 'run', '--project', 'unit', '--project', 'servers', ...wanted], {
    env,
    show: 'all',
    timeout: 6 * 3_600_000,
  }),
)
process.exit(code)
