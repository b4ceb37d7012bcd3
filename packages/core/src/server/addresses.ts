// Lists of addresses: which peers may connect (FastCGI §3.2, FCGI_WEB_SERVER_ADDRS, and the option `allow`), and which
// proxies are trusted. IPv4, IPv6, IPv4 mapped into IPv6, and CIDR ranges of all three.
import net, { isIP, isIPv4 } from 'node:net'

/** Tells whether an address is on a list. */
export type AddressTest = (address: string) => boolean

const mappedPrefix = '::ffff:'

/** An IPv4 address as dotted numbers, whichever way the socket shows it (`::ffff:192.0.2.1` on a dual-stack port). */
function plain(address: string): string {
  const zone = address.indexOf('%')
  const bare = zone === -1 ? address : address.slice(0, zone)
  if (bare.length > 7 && bare.slice(0, 7).toLowerCase() === mappedPrefix) {
    const tail = bare.slice(7)
    if (isIPv4(tail)) return tail
  }
  return bare
}

/**
 * Makes a test from a list of addresses.
 *
 * @param entries `192.0.2.1`, `2001:db8::1`, `192.0.2.0/24`, `2001:db8::/32`; blanks around an entry do not count
 * @param name what the list is called in an error, for example `option allow`
 * @throws TypeError for an entry that is none of these (a host name, a prefix out of range)
 */
export function addressTest(entries: readonly string[], name: string): AddressTest {
  if (entries.length === 0) return () => false
  const list = new net.BlockList()
  for (const entry of entries) addEntry(list, entry.trim(), name)
  return (address) => {
    const peer = plain(address)
    const family = isIP(peer)
    return family !== 0 && list.check(peer, family === 4 ? 'ipv4' : 'ipv6')
  }
}

function addEntry(list: net.BlockList, entry: string, name: string): void {
  const slash = entry.indexOf('/')
  const full = slash === -1 ? entry : entry.slice(0, slash)
  const address = plain(full)
  const family = isIP(address)
  if (family === 0) {
    throw new TypeError(`${name}: ${JSON.stringify(entry)} is no IP address and no CIDR range`)
  }
  const type = family === 4 ? 'ipv4' : 'ipv6'
  if (slash === -1) {
    list.addAddress(address, type)
    return
  }
  const digits = entry.slice(slash + 1)
  // A mapped range counts its prefix in the 128 bits of the form it was written in.
  const prefix = Number(digits) - (address === full || family === 6 ? 0 : 96)
  if (!/^\d{1,3}$/.test(digits) || prefix < 0 || prefix > (family === 4 ? 32 : 128)) {
    throw new TypeError(`${name}: ${JSON.stringify(entry)} has a prefix length out of range`)
  }
  list.addSubnet(address, prefix, type)
}

/** What an accepted socket is judged by; both undefined for a unix socket. */
export interface Peer {
  readonly remoteAddress?: string | undefined
}

/** The rule on who may connect. */
export interface AccessRule {
  /** Whether this peer is let in. A peer that is not is closed without a byte. */
  admits(peer: Peer): boolean
  /** What is wrong with FCGI_WEB_SERVER_ADDRS, one sentence each, for the log. */
  readonly warnings: readonly string[]
}

/**
 * The rule on who may connect, from the option `allow` and the variable FCGI_WEB_SERVER_ADDRS; a peer must pass both.
 *
 * - `allow` limits TCP peers; a unix socket is guarded by its file mode.
 * - FCGI_WEB_SERVER_ADDRS (§3.2) admits TCP peers on its comma-separated list and nothing else, unix sockets included.
 *   An entry that is no address admits nobody and is reported. Unset or blank means no limit.
 *
 * @throws TypeError when `allow` holds something that is no address
 */
export function accessRule(
  allow: readonly string[] | undefined,
  webServerAddresses: string | undefined,
): AccessRule {
  const warnings: string[] = []
  const allowed = allow === undefined ? undefined : addressTest(allow, 'option allow')
  let named: AddressTest | undefined
  if (webServerAddresses !== undefined && webServerAddresses.trim() !== '') {
    const entries = webServerAddresses.split(',').filter((entry) => {
      if (isIP(plain(entry.trim())) !== 0) return true
      if (entry.trim() !== '') {
        warnings.push(`FCGI_WEB_SERVER_ADDRS: ${JSON.stringify(entry)} is no IP address, ignored`)
      }
      return false
    })
    named = addressTest(entries, 'FCGI_WEB_SERVER_ADDRS')
    if (entries.length === 0) {
      warnings.push('FCGI_WEB_SERVER_ADDRS names no address: every connection is refused')
    }
  }
  return {
    warnings,
    admits({ remoteAddress }) {
      if (named !== undefined && (remoteAddress === undefined || !named(remoteAddress)))
        return false
      return allowed === undefined || remoteAddress === undefined || allowed(remoteAddress)
    },
  }
}
