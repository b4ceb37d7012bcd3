/** The process behind the command `fastcgi`. */
import { runProgram } from './program.ts'

// `| head` has read enough: what is to be done is done all the same, unseen.
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error
  })
}

const code = await runProgram(process.argv.slice(2))
if (code !== undefined) process.exitCode = code
