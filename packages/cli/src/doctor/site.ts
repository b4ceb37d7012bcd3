/** Checks of a site from the client's side: what the web server in front makes of requests and responses. */
import { adviceOn, serverName } from './advice.ts'
import { failed, type Finding, ok, unknown, warning } from './finding.ts'
import { ask, type Answer } from './http.ts'
import { Secret } from './secret.ts'
import { Visit } from './visit.ts'

const slow = 2_000

/** What to look at. */
export interface SiteCheck {
  readonly url: URL
  /** Real path of the script, whose folder we may write to: then the app itself can be asked. */
  readonly script: string | undefined
  readonly insecure: boolean
}

/** All checks of a URL. */
export async function checkSite(check: SiteCheck): Promise<Finding[]> {
  let page: Answer
  try {
    page = await ask(check.url, { insecure: check.insecure })
  } catch (error) {
    return [unreachable(check.url, error as NodeJS.ErrnoException)]
  }
  const findings = checkPage(check.url, page)
  if (check.script === undefined) {
    const fix = `name the script too, on the machine where it is: fastcgi doctor ${check.url.href} app.fcgi`
    findings.push(unknown('arrival', 'how requests reach the app was not looked at', fix))
    return findings
  }
  let secret: Secret
  try {
    secret = new Secret(check.script)
  } catch (error) {
    findings.push(
      unknown(
        'arrival',
        `the app cannot be asked: ${(error as Error).message}`,
        'run the doctor as the owner of the script',
      ),
    )
    return findings
  }
  try {
    findings.push(...(await new Visit(check, secret, page).run()))
  } finally {
    secret.remove()
  }
  return findings
}

function unreachable(url: URL, error: NodeJS.ErrnoException): Finding {
  const code = error.code ?? ''
  if (code === 'ENOTFOUND')
    return failed('site', `${url.hostname} has no address`, 'is the name right, and in the DNS?')
  if (code === 'ECONNREFUSED')
    return failed(
      'site',
      `nobody listens on ${url.host}`,
      'does the web server run, and on this port?',
    )
  if (/CERT|SELF_SIGNED|UNABLE_TO_VERIFY/.test(code)) {
    return failed(
      'site',
      `the certificate is not good: ${error.message}`,
      'mend it, or look past it: --insecure',
    )
  }
  return failed('site', `${url.href}: ${error.message}`, "the web server's error log may say more")
}

function checkPage(url: URL, page: Answer): Finding[] {
  const server = serverName(String(page.headers.server ?? ''))
  const what = `GET ${url.pathname} gives ${page.status}`
  if (
    page.text.startsWith('#!') ||
    /^(?:const|import) .*@fastcgi\//m.test(page.text.slice(0, 300))
  ) {
    return [
      failed(
        'site',
        'the web server shows the script instead of running it',
        'enable mod_fcgid (a2enmod fcgid), and SetHandler fcgid-script for the file: fastcgi init htaccess',
      ),
    ]
  }
  const first =
    page.firstByte < slow
      ? ok('first-byte', `after ${page.firstByte} ms`)
      : warning(
          'first-byte',
          `after ${page.firstByte} ms`,
          'a process may just have been started; ask again. FcgidMinProcessesPerClass keeps some',
        )
  if (page.status === 403) return [failed('site', what, adviceOn('forbidden', server)), first]
  if (page.status >= 500) return [failed('site', what, adviceOn('down', server)), first]
  return [ok('site', what), first]
}
