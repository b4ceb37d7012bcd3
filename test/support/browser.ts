/** A headless Chromium for tests, and a visitor in it who keeps account of what went wrong. */
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { chromium, type Browser, type Page } from 'playwright-core'

import { findProgram } from './web-server.ts'

/** Milliseconds that anything in the browser may take: generous, since a busy machine is no failure. */
const LIMIT = 60_000

// What runs in the page is text: the tests' types know no DOM.
const LINKS = `[...document.querySelectorAll('[href], [src], [action]')]
  .map((node) => node.href ?? node.src ?? node.action)`

/** Debian's Chromium, which keeps to this machine: it asks nobody for updates. */
export async function launchBrowser(): Promise<Browser> {
  return chromium.launch({
    executablePath: findProgram('chromium', 'apt-get install -y chromium'),
    chromiumSandbox: process.getuid?.() !== 0,
    timeout: LIMIT,
    args: [
      '--disable-gpu',
      '--disable-quic',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
      '--no-first-run',
      '--no-proxy-server',
    ],
  })
}

/** One visitor of a site: cookies and history of their own. */
export interface Visitor {
  readonly page: Page
  /** `http://host:port` and the mount, without a slash at the end. */
  readonly home: string
  /**
   * Everything that a visitor's developer tools would show in red, and every request, link, form or
   * cookie that leaves the mount. Empty when all is well.
   */
  problems(): Promise<string[]>
  /** Adds what is wrong with the links of the page that is shown. */
  checkLinks(): Promise<void>
  close(): Promise<void>
}

/** @param mount '' or '/app' */
export async function openVisitor(browser: Browser, port: number, mount: string): Promise<Visitor> {
  const origin = `http://127.0.0.1:${String(port)}`
  const home = `${origin}${mount}`
  const found: string[] = []
  const context = await browser.newContext({ viewport: { width: 900, height: 640 } })
  context.setDefaultTimeout(LIMIT)
  const page = await context.newPage()
  page.on('console', (message) => {
    if (message.type() === 'error') found.push(`console: ${message.text()}`)
  })
  page.on('pageerror', (error) => found.push(`script: ${String(error)}`))
  page.on('response', (response) => {
    if (response.status() >= 400) found.push(`${String(response.status())}: ${response.url()}`)
  })
  page.on('requestfailed', (request) => {
    const reason = request.failure()?.errorText ?? ''
    // Left by the visitor: an event stream whose page is gone.
    if (reason !== 'net::ERR_ABORTED') found.push(`${reason}: ${request.url()}`)
  })
  page.on('request', (request) => {
    if (!request.url().startsWith(`${home}/`)) found.push(`outside: ${request.url()}`)
  })
  return {
    page,
    home,
    async problems() {
      const cookies = await context.cookies()
      const stray = cookies.filter((cookie) => cookie.path !== (mount || '/'))
      return [...new Set(found), ...stray.map(({ name, path: at }) => `cookie ${name} for ${at}`)]
    },
    async checkLinks() {
      const links = await page.evaluate<string[]>(LINKS)
      for (const link of links) {
        if (!link.startsWith(`${home}/`) || link.includes('.fcgi')) found.push(`link to ${link}`)
      }
    },
    close: () => context.close(),
  }
}

/** A folder for pictures, for a person to look at. Not removed. */
export function pictureFolder(): string {
  return fs.mkdtempSync(path.join(os.tmpdir(), 'fastcgi-browser-'))
}
