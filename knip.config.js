// `npm run lint` ends with knip: files, exports and dependencies that nobody uses. What it must be told: which files are
// started by path, and where a package is named in a text instead of an import.

/** `load('multer')` and `createRequire(import.meta.url)('koa2')` are loads like any other. */
const loads = (text) =>
  text.replaceAll(/\b(?:load|createRequire\(import\.meta\.url\))\(/g, 'require(')

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
      entry: ['src/{main,shared,app-process}.ts', 'src/load/generator.ts', 'src/micro/micro.ts'],
    },
    'examples/*': { entry: ['*.fcgi'], project: ['**/*.{fcgi,mjs,ts}'] },
    test: {
      entry: ['**/*.fcgi', '**/*.{js,cjs,mjs}'],
      ignore: ['api/*.d.mts'],
      ignoreDependencies: [
        'express4',
        'fastify4',
        'koa2',
        'typedoc-plugin-markdown',
        'typescript5',
      ],
    },
  },
}
