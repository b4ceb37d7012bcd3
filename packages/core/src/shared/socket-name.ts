// The name of an app's private socket, by which the processes that would run the same app find each other.
import { uid } from './folder.ts'
import { version } from './greeting.ts'

/** What differs between the processes of one web server, or between its starts, and says nothing about the app. */
const volatile =
  /^(_|SHLVL|PWD|OLDPWD|INVOCATION_ID|JOURNAL_STREAM|SYSTEMD_EXEC_PID|MANAGERPID|MEMORY_PRESSURE_.*|NOTIFY_SOCKET|WATCHDOG_.*|LISTEN_.*|SERVER_STARTER_.*|H2O_.*|FASTCGI_SHARED.*)$/

/**
 * The name of the app's socket: the same for all processes that would run the same app in the same way, another one for
 * any other script, user, Node.js, argument or environment.
 *
 * @param script real path of the script
 */
export function socketName(
  script: string,
  env: Readonly<Record<string, string | undefined>>,
): string {
  const { execPath, execArgv, argv } = process
  const settings = Object.entries(env)
    .filter(([name]) => !volatile.test(name))
    .sort(([left], [right]) => (left < right ? -1 : 1))
  const gid = process.getgid?.()
  const all = [version, uid(), gid, script, execPath, process.version, execArgv]
  return hash(JSON.stringify([...all, argv.slice(2), process.cwd(), settings]))
}

/**
 * 64 bits as hexadecimal digits (cyrb53 by bryc, in the public domain, with all bits of it). Nobody but our own user has a
 * say in what is hashed, so it need not withstand anybody; node:crypto would be 0.4 MB more for each relay.
 */
function hash(text: string): string {
  let [high, low] = [0xdeadbeef, 0x41c6ce57]
  for (let at = 0; at < text.length; at += 1) {
    const unit = text.charCodeAt(at)
    high = Math.imul(high ^ unit, 2_654_435_761)
    low = Math.imul(low ^ unit, 1_597_334_677)
  }
  const mixed = (one: number, other: number): number =>
    Math.imul(one ^ (one >>> 16), 2_246_822_507) ^ Math.imul(other ^ (other >>> 13), 3_266_489_909)
  high = mixed(high, low)
  low = mixed(low, high)
  return [high, low].map((half) => (half >>> 0).toString(16).padStart(8, '0')).join('')
}
