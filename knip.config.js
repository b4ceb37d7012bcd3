// `npm run lint` ends with knip: files, exports and dependencies that nobody uses. What it must be told: which files are
// started by path, and where a package is named in a text instead of an import.

/** `createRequire(import.meta.url)('koa2')` loads like any other `require`. */
const loads = (text) => text.replaceAll('createRequire(import.meta.url)(', 'require(')

/** @type {import('knip').KnipConfig} */
export default {
  compilers: { ts: loads, fcgi: (text) => loads(text.replace(/^#!.*/, '')) },
  ignoreExportsUsedInFile: true,
  // An example exports its app as default, for serve, and by name. Programs of the system are no dependencies.
  exclude: ['duplicates', 'binaries'],
  workspaces: {
    '.': {
      entry: ['scripts/*.mjs', 'scripts/soak/app.mjs'],
      ignore: ['scripts/*.d.mts'],
      ignoreDependencies: ['@arethetypeswrong/cli', 'publint'],
    },
    'packages/core': { entry: ['bundle.mjs'] },
    'packages/cli': { ignoreDependencies: ['@fastcgi/.*', 'express', 'koa', 'fastify'] },
    'packages/bench': {
      entry: ['src/{main,shared,app-process}.ts', 'src/{apps,apps/minimal,load,micro}/*.ts'],
    },
    'examples/*': { entry: ['*.fcgi'], project: ['**/*.{fcgi,mjs,ts}'] },
    test: {
      entry: ['**/*.fcgi', '**/*.{js,cjs,mjs}', 'robustness/guided/loop.ts'],
      // Sites that are tested as they are, with dependencies of their own.
      ignore: ['**/*.d.mts', 'suites/*/site/**'],
      // What is tested with is loaded by names put together: `${fastify}-compress`.
      ignoreDependencies: ['.*'],
    },
  },
}
