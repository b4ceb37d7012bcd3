/** Shows FastCGI records as lines (FastCGI specification §3.3), however the bytes are cut. */

const types = [
  '?',
  'BEGIN_REQUEST',
  'ABORT_REQUEST',
  'END_REQUEST',
  'PARAMS',
  'STDIN',
  'STDOUT',
  'STDERR',
  'DATA',
  'GET_VALUES',
  'GET_VALUES_RESULT',
  'UNKNOWN_TYPE',
]
const headerLength = 8
/** Of a record's content so much is shown. */
const shownBytes = 120

/**
 * @returns takes the bytes of both directions as they come, and writes a line a record: `> PARAMS id 1, 412 bytes: …`
 */
export function showRecords(
  write: (line: string) => void,
): (direction: 'sent' | 'received', bytes: Uint8Array) => void {
  const rest = { sent: Buffer.alloc(0), received: Buffer.alloc(0) }
  return (direction, bytes) => {
    let left = Buffer.concat([rest[direction], bytes])
    while (left.length >= headerLength) {
      const length = left.readUInt16BE(4)
      const whole = headerLength + length + left[6]!
      if (left.length < whole) break
      const content = left.subarray(headerLength, headerLength + length)
      const type = types[left[1]!] ?? `type ${left[1]}`
      const sign = direction === 'sent' ? '>' : '<'
      const id = left.readUInt16BE(2)
      write(`${sign} ${type} id ${id}, ${length} bytes${describe(type, content)}`)
      left = left.subarray(whole)
    }
    rest[direction] = left
  }
}

function describe(type: string, content: Buffer): string {
  if (content.length === 0) return ' (end)'
  if (type === 'BEGIN_REQUEST' && content.length === 8) {
    const role =
      ['', 'responder', 'authorizer', 'filter'][content.readUInt16BE(0)] ?? content.readUInt16BE(0)
    return `: ${role}${(content[2]! & 1) === 1 ? ', keep connection' : ''}`
  }
  if (type === 'END_REQUEST' && content.length === 8) {
    return `: app status ${content.readUInt32BE(0)}, protocol status ${content[4]}`
  }
  if (type === 'PARAMS') return pairs(content)
  const text = content.subarray(0, shownBytes).toString('latin1')
  return `: ${printable(text)}${content.length > shownBytes ? '…' : ''}`
}

/** Name-value pairs (§3.4), where the record holds whole ones. */
function pairs(content: Buffer): string {
  const lines: string[] = []
  let at = 0
  const length = (): number => {
    const first = content[at] ?? 0
    if (first < 128) {
      at += 1
      return first
    }
    const long = at + 4 <= content.length ? content.readUInt32BE(at) & 0x7fffffff : content.length
    at += 4
    return long
  }
  while (at < content.length) {
    const name = length()
    const value = length()
    if (at + name + value > content.length) {
      lines.push('    (goes on in the next record)')
      break
    }
    const text = content.toString('latin1', at, at + name + value)
    lines.push(`    ${printable(text.slice(0, name))}=${printable(text.slice(name))}`)
    at += name + value
  }
  return `\n${lines.join('\n')}`
}

function printable(text: string): string {
  return text.replaceAll(/[^\x20-\x7e]/g, (character) => {
    if (character === '\r') return '\\r'
    if (character === '\n') return '\\n'
    return `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`
  })
}
