/** The runner's end of the load generator: one process for the whole run, so that its code stays compiled. */
import { fork, type ChildProcess } from 'node:child_process'
import { track } from '../children.ts'
import { programPath } from '../program.ts'
import type { Job, JobResult } from './generator.ts'

/** Starts the generator, hands it jobs one at a time. */
export class LoadClient implements AsyncDisposable {
  readonly #child: ChildProcess = track(
    fork(programPath('load/generator'), [], {
      serialization: 'advanced',
    }),
  )

  /** @throws Error when the application answered with an error or closed the connection. */
  async run(job: Job): Promise<JobResult> {
    return new Promise((resolve, reject) => {
      const ended = (code: number | null): void =>
        reject(new Error(`the load generator ended with code ${code}`))
      this.#child.once('exit', ended)
      this.#child.once('message', (answer: { result?: JobResult; error?: string }) => {
        this.#child.off('exit', ended)
        if (answer.result !== undefined) resolve(answer.result)
        else reject(new Error(answer.error))
      })
      this.#child.send(job)
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#child.connected) return
    const gone = new Promise((resolve) => this.#child.once('exit', resolve))
    this.#child.disconnect()
    await gone
  }
}
