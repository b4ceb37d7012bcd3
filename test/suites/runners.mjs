// The programs that run test files: what each is started with, and how its results are read.
import fs from 'node:fs'
import path from 'node:path'

/**
 * @param {string} name node, mocha, tap or jest
 * @param {string} suite folder of the suite
 * @param {string[]} extra more arguments for it
 */
export function makeRunner(name, suite, extra) {
  /** The script of a command that the suite has installed. */
  function program(name) {
    const place = path.join(suite, 'node_modules', name)
    const { bin } = JSON.parse(fs.readFileSync(path.join(place, 'package.json'), 'utf8'))
    return path.join(place, typeof bin === 'string' ? bin : bin[name])
  }

  const runners = {
    node: {
      args: (files, report) => [
        ...extra,
        `--test-reporter=${new URL('reporter.mjs', import.meta.url).pathname}`,
        `--test-reporter-destination=${report}`,
        ...files,
      ],
      read: (text) =>
        text
          .split('\n')
          .filter((line) => line !== '')
          .map((line) => JSON.parse(line)),
    },
    mocha: {
      args: (files, report) => [
        program('mocha'),
        ...extra,
        '--reporter=json',
        `--reporter-option=output=${report}`,
        '--exit',
        ...files,
      ],
      read: (text) =>
        JSON.parse(text).tests.map(({ fullTitle, err }) => ({
          name: fullTitle,
          passed: Object.keys(err).length === 0,
          error: err.stack ?? err.message,
        })),
    },
    tap: {
      args: (files) => [...extra, ...files],
      read: (_text, output) => readTap(output),
    },
    jest: {
      args: (files, report) => [
        program('jest'),
        ...extra,
        '--runInBand',
        '--coverage=false',
        '--json',
        `--outputFile=${report}`,
        '--runTestsByPath',
        ...files,
      ],
      read: (text) =>
        JSON.parse(text).testResults.flatMap(({ assertionResults }) =>
          assertionResults
            .filter(({ status }) => status === 'passed' || status === 'failed')
            .map(({ fullName, status, failureMessages }) => ({
              name: fullName,
              passed: status === 'passed',
              error: failureMessages?.[0],
            })),
        ),
    },
  }
  return runners[name]
}

/** TAP with subtests (four spaces a level): every assertion of every test. */
function readTap(output) {
  const names = []
  const results = []
  for (const line of output.split('\n')) {
    const subtest = /^( *)# Subtest: (.*)$/.exec(line)
    if (subtest) names[subtest[1].length / 4] = subtest[2]
    const result =
      /^( *)(not )?ok \d+(?: - (.*?))?(?: # (?!time=).*)?(?: # time=.*)?(?: \{)?$/.exec(line)
    if (!result) continue
    const level = result[1].length / 4
    const name = [...names.slice(0, level), result[3] ?? ''].join(' > ')
    results.push({ name, passed: result[2] === undefined, error: undefined })
  }
  return results
}
