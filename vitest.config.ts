import { defineConfig } from 'vitest/config'

/**
 * Three projects, from cheap to dear:
 * - unit: everything that needs no web server; must stay green on every supported Node;
 * - servers: starts real web servers with the files in examples/, one file after another;
 * - package: packs the packages and installs the tarballs elsewhere; the linter's import rules; what runs pnpm.
 *
 * Bounds are wide on purpose: two busy cores must not turn a right answer into a failure.
 */
const resolve = { conditions: ['@fastcgi/source'] }
// `ssr` is what vitest resolves tests with. The first entry makes workspace packages load from src.
const ssr = {
  resolve: {
    conditions: ['@fastcgi/source', 'module', 'node', 'development|production'],
    externalConditions: ['@fastcgi/source', 'node'],
  },
}

const shared = {
  environment: 'node',
  pool: 'forks',
  testTimeout: 30_000,
  hookTimeout: 60_000,
  teardownTimeout: 30_000,
} as const

export default defineConfig({
  test: {
    maxWorkers: 2,
    projects: [
      {
        resolve,
        ssr,
        test: {
          ...shared,
          name: 'unit',
          include: [
            'packages/*/src/**/*.test.ts',
            'test/**/*.test.ts',
            'examples/*/*.test.{ts,mjs,js}',
          ],
          exclude: [
            '**/node_modules/**',
            '**/dist/**',
            'test/servers/**',
            'test/package.test.ts',
            'test/audit.test.ts',
            'test/import-rules.test.ts',
            'test/api/**',
            'test/docs-run.test.ts',
            'test/docs-install.test.ts',
          ],
        },
      },
      {
        resolve,
        ssr,
        test: {
          ...shared,
          name: 'servers',
          include: ['test/servers/**/*.test.ts'],
          fileParallelism: false,
          // Under mod_cgid every request starts a Node: seconds each when the machine is busy.
          testTimeout: 180_000,
          hookTimeout: 120_000,
        },
      },
      {
        resolve,
        ssr,
        test: {
          ...shared,
          name: 'package',
          include: [
            'test/package.test.ts',
            'test/audit.test.ts',
            'test/import-rules.test.ts',
            'test/api/*.test.ts',
            'test/docs-run.test.ts',
            'test/docs-install.test.ts',
          ],
          fileParallelism: false,
          testTimeout: 120_000,
          hookTimeout: 300_000,
        },
      },
    ],
  },
})
