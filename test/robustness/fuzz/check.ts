/** What must be true of every byte a server sends, whatever was sent to it. */
import { readRecords, type RawRecord } from '../../support/raw.ts'

/** One request's answer. */
export interface Answer {
  readonly id: number
  stdout: Buffer
  ended: boolean
  protocolStatus: number
}

const headerLine = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+: [^\0\r\n]*$/
const hopByHop = /^(connection|keep-alive|transfer-encoding|upgrade|te|trailer|proxy-connection):/i

/**
 * Reads all that came on a connection. Throws unless every record is as §3.3 has it, every request ends at most once and
 * after its streams, nothing comes for a request behind its end, and every head is a CGI header block.
 */
export function checkAnswers(received: Buffer): Answer[] {
  const { records } = readRecords(received)
  const open = new Map<number, { answer: Answer; parts: Buffer[]; out: boolean; err: boolean }>()
  const answers: Answer[] = []
  for (const { type, id, content } of records) {
    if (type === 10 || type === 11) {
      if (id !== 0) throw new Error(`management record with id ${id}`)
      continue
    }
    if (id === 0) throw new Error(`type ${type} with id 0`)
    let own = open.get(id)
    if (own === undefined) {
      const answer = { id, stdout: Buffer.alloc(0), ended: false, protocolStatus: 0 }
      own = { answer, parts: [], out: false, err: false }
      answers.push(answer)
      open.set(id, own)
    }
    take(own, { type, id, content, padding: 0 })
    if (own.answer.ended) open.delete(id)
  }
  for (const own of open.values()) own.answer.stdout = Buffer.concat(own.parts)
  for (const answer of answers) checkHead(answer)
  return answers
}

function take(
  own: { answer: Answer; parts: Buffer[]; out: boolean; err: boolean },
  { type, id, content }: RawRecord,
): void {
  if (type === 6) {
    if (own.out) throw new Error(`STDOUT of ${id} behind its end`)
    if (content.length === 0) own.out = true
    else own.parts.push(content)
  } else if (type === 7) {
    if (own.err && content.length === 0) own.err = false
    else own.err = true
  } else if (type === 3) {
    if (content.length !== 8) throw new Error('END_REQUEST of another length')
    own.answer.protocolStatus = content[4]!
    own.answer.ended = true
    if (own.answer.protocolStatus === 0 && own.parts.length > 0 && !own.out)
      throw new Error(`END_REQUEST of ${id} before the end of its STDOUT`)
    if (own.err) throw new Error(`END_REQUEST of ${id} before the end of its STDERR`)
    own.answer.stdout = Buffer.concat(own.parts)
  } else {
    throw new Error(`a record of type ${type}`)
  }
}

function checkHead({ id, stdout }: Answer): void {
  if (stdout.length > 0) checkBlock(stdout, id)
}

/** Throws unless what an answer begins with is a CGI header block as every web server takes it. */
export function checkBlock(stdout: Buffer, id: number): void {
  const end = stdout.indexOf('\r\n\r\n')
  if (end === -1)
    throw new Error(`a head without end, of ${id}: ${stdout.subarray(0, 200).toString('latin1')}`)
  const lines = stdout.toString('latin1', 0, end).split('\r\n')
  for (const line of lines) {
    if (!headerLine.test(line)) throw new Error(`the line ${JSON.stringify(line)}`)
    if (hopByHop.test(line)) throw new Error(`a line of one connection: ${line}`)
  }
  const status = lines.filter((line) => /^status:/i.test(line))
  if (status.length !== 1) throw new Error(`${status.length} Status lines`)
  const told = /^Status: ([1-9]\d\d) .*\S$/.exec(lines.at(-1)!)
  if (told === null) throw new Error(`the last line ${JSON.stringify(lines.at(-1))}`)
  if ((told[1] === '204' || told[1] === '304') && stdout.length > end + 4)
    throw new Error(`a body behind ${told[1]}`)
}
