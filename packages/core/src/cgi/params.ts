// Every param of a request as the app may look it up, decoded only when it asks.

import { PairReader } from '../protocol/pairs.ts'
import { Rule, ruleOf } from './header-rules.ts'

/**
 * All params as text (latin1: one character a byte), in an object without prototype. Of a name that comes twice the
 * last value stays, as nginx's overriding `fastcgi_param` means it; client headers (HTTP_*) are joined by `, `,
 * HTTP_COOKIE by `; `, and HTTP_HOST and the others that must not repeat keep the first.
 *
 * @throws ProtocolError `FCGI_BAD_PAIR` for a block that `readRequestHead` refuses as well.
 */
export function readParams(block: Buffer): Record<string, string> {
  const params = Object.create(null) as Record<string, string>
  const reader = new PairReader(block)
  while (reader.next()) {
    const name = block.latin1Slice(reader.nameStart, reader.nameEnd)
    const value = block.latin1Slice(reader.nameEnd, reader.valueEnd)
    const present = params[name]
    params[name] = present === undefined ? value : joined(name, present, value)
  }
  return params
}

function joined(name: string, present: string, value: string): string {
  if (!name.startsWith('HTTP_')) return value
  switch (ruleOf(name.slice(5).toLowerCase().replaceAll('_', '-'))) {
    case Rule.First:
    case Rule.Authorization:
    case Rule.Body:
      return present
    case Rule.Cookie:
      return present + '; ' + value
    default:
      return present + ', ' + value
  }
}
