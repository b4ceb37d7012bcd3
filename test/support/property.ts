/**
 * How property tests run: the same cases every time, or others when the environment gives a seed or
 * more runs.
 */

/**
 * Parameters for `fc.assert`. FASTCGI_TEST_SEED changes the cases, FASTCGI_TEST_RUNS multiplies
 * their number: for hunting by hand, as a test that fails by chance helps nobody.
 */
export function propertyRuns(numRuns: number): { seed: number; numRuns: number } {
  return {
    seed: Number(process.env['FASTCGI_TEST_SEED'] ?? 19_960_429),
    numRuns: numRuns * Number(process.env['FASTCGI_TEST_RUNS'] ?? 1),
  }
}
