/** How the command ends: the codes of sysexits.h where one fits, so that scripts can tell the cases apart. */

/** Exit codes; documented in the README and by `fastcgi --help`. */
export const ExitCode = {
  Ok: 0,
  /** It ran, and what was looked at is not in order: a check of `doctor` failed, `get --fail` got 400 or more. */
  Failed: 1,
  /** EX_USAGE: unknown command or option, a value that cannot be. */
  Usage: 64,
  /** EX_NOINPUT: the file, folder or app that was named is not there. */
  NoInput: 66,
  /** EX_UNAVAILABLE: nobody answers at the address, or no process runs the script for all. */
  Unavailable: 69,
  /** EX_SOFTWARE: a bug in this command. */
  Bug: 70,
  /** EX_CANTCREAT: a file is there already, or cannot be written. */
  CannotCreate: 73,
} as const

/** One of {@link ExitCode}. */
export type ExitCode = (typeof ExitCode)[keyof typeof ExitCode]

/** What each code means, for `--help` and the README. */
export const exitCodes: readonly (readonly [code: ExitCode, meaning: string])[] = [
  [ExitCode.Ok, 'done; for doctor: nothing is wrong'],
  [
    ExitCode.Failed,
    'it ran, and something is wrong: a failed check, a status of 400 or more with --fail',
  ],
  [ExitCode.Usage, 'the command line is wrong'],
  [ExitCode.NoInput, 'the file or app that was named is not there'],
  [ExitCode.Unavailable, 'nobody answers at the address, or no process runs the script for all'],
  [ExitCode.Bug, 'a bug in this command; please report it'],
  [
    ExitCode.CannotCreate,
    'a file is there already, which init leaves alone without --force, or cannot be made',
  ],
]

/** Ends the command with a message for people and a code for scripts. */
export class Failure extends Error {
  override readonly name: string = 'Failure'
  readonly exitCode: ExitCode

  constructor(exitCode: ExitCode, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause })
    this.exitCode = exitCode
  }
}
