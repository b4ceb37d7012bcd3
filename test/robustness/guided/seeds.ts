/** Inputs to begin with: what the seeded fuzzer makes is as near to the real thing as inputs get. */
import { pair } from '../../support/raw.ts'
import { conversation } from '../fuzz/conversation.ts'
import { Random } from '../fuzz/random.ts'
import { cgiVariables } from '../fuzz/variables.ts'

const heads = [
  'Status: 200 OK\r\nContent-Type: text/plain\r\n\r\nbody',
  'Status: 302 Found\nLocation: /x\n\n',
  'HTTP/1.1 404 Not Found\r\nX: y\r\n\r\n',
  'Set-Cookie: a=b\r\nSet-Cookie: c=d\r\nContent-Length: 5\r\nStatus: 201\r\n\r\nhello',
  'HTTP/1.1 100 Continue\r\n\r\nStatus: 204 No Content\r\n\r\n',
]
const paths = ['/app/x\n/app', '/a%2Fp/../%61pp\n/app', '//app//\n/app', '/a b?#\n/a b']
const answers = [
  '\x01\x06\0\x01\0\x05\x03\0hello\0\0\0',
  '\x01\x03\0\x01\0\x08\0\0\0\0\0\0\0\0\0\0',
  '\x01\x0a\0\0\0\x11\x07\0\x0e\x01FCGI_MAX_CONNS1\0\0\0\0\0\0\0',
  '\x01\x0b\0\0\0\x08\0\0\x63\0\0\0\0\0\0\0',
]

/** Seeds of a target, by its name. */
export function seeds(target: string, count = 60): Buffer[] {
  const latin1 = (texts: readonly string[], before = ''): Buffer[] =>
    texts.map((text) => Buffer.from(before + text, 'latin1'))
  const made = (make: (random: Random) => Buffer): Buffer[] =>
    Array.from({ length: count }, (_, n) => make(new Random(n)))
  const cut = Buffer.from([7])
  switch (target) {
    case 'records':
      return made((random) => {
        const { chunks } = conversation(random)
        return Buffer.concat([cut, ...chunks]).subarray(0, 1500)
      })
    case 'variables':
      return made((random) => {
        const lines = cgiVariables(random, 5, 1).map(([name, value]) => `${name}=${value}`)
        return Buffer.from(`\0${lines.join('\n')}`, 'latin1')
      })
    case 'pairs':
      return made((random) =>
        Buffer.concat(cgiVariables(random, 5, 1).map(([name, value]) => pair(name, value))),
      )
    case 'answers':
      return latin1([...answers, answers.join('')], '\x05')
    case 'answerHead':
      return latin1(heads, '\x03')
    case 'responseHead':
      return latin1(
        ['OK\nContent-Type: text/plain\nX: y', '\nTE: x\nContent-Length: 5\nStatus: 1'],
        '\0\0',
      )
    default:
      return latin1(paths)
  }
}
