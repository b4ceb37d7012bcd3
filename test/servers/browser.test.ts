/**
 * A person with a browser: headless Chromium uses the example apps through Apache, nginx and
 * lighttpd, as a whole site and below a path. Leaves a picture of each page in a temporary folder.
 */
import crypto from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { launchBrowser, openVisitor, pictureFolder, type Visitor } from '../support/browser.ts'
import { temporaryFolder } from '../support/web-server.ts'
import { bringUp } from './conformance.ts'
import { apacheSetups, startApacheSite } from './programs/apache.ts'
import { lighttpd, lighttpdSetups } from './programs/lighttpd.ts'
import { nginx, nginxSetups } from './programs/nginx.ts'
import { exampleFolder, type Server, type Setup } from './setup.ts'

interface Started {
  readonly port: number
  stop(): Promise<void>
}

interface Site {
  readonly name: string
  readonly mount: string
  start(example: string): Promise<Started>
}

function apache(file: string): Site {
  const setup = apacheSetups.find(
    (known) => known.server === 'apache-mod_fcgid' && known.file === file,
  )
  if (setup === undefined) throw new Error(`no setup for ${file}`)
  return {
    name: `Apache ScriptAlias, ${file}`,
    mount: setup.mount ?? '',
    start: (example) => startApacheSite(setup, `examples/${example}`),
  }
}

function other(server: Server, setups: readonly Setup[], file: string): Site {
  const setup = setups.find((known) => known.file === file)
  if (setup === undefined) throw new Error(`no setup for ${file}`)
  return {
    name: `${setup.server}, ${file}`,
    mount: setup.mount ?? '',
    async start(example) {
      const app = appWith(exampleFolder(example), setup.options)
      const { site, stop } = await bringUp(server, setup, app.folder)
      return {
        port: site.port,
        async stop() {
          await stop()
          app.remove()
        },
      }
    },
  }
}

/** The example as it is, or, where the file asks for an option, beside an `app.fcgi` that says it. */
function appWith(
  example: string,
  options: Setup['options'],
): { folder: string; remove: () => void } {
  if (options === undefined) return { folder: example, remove: () => {} }
  const folder = temporaryFolder('example')
  for (const entry of fs.readdirSync(example)) {
    if (entry === 'app.fcgi') continue
    fs.symlinkSync(path.join(example, entry), path.join(folder, entry))
  }
  const script = fs.readFileSync(path.join(example, 'app.fcgi'), 'utf8')
  const told = script.replace("'./app.mjs')", `'./app.mjs'), ${JSON.stringify(options)}`)
  expect(told).not.toBe(script)
  fs.writeFileSync(path.join(folder, 'app.fcgi'), told, { mode: 0o755 })
  return { folder, remove: () => fs.rmSync(folder, { recursive: true, force: true }) }
}

const sites = [
  apache('root.conf'),
  apache('sub-path.conf'),
  other(nginx, nginxSetups, 'site.conf'),
  other(nginx, nginxSetups, 'subpath.conf'),
  other(lighttpd, lighttpdSetups, 'socket.conf'),
  other(lighttpd, lighttpdSetups, 'subpath.conf'),
]

const pictures = pictureFolder()
let browser: Browser | undefined
beforeAll(async () => {
  browser = await launchBrowser()
  console.log(`Pictures of every page: ${pictures}`)
})
// Apache takes its time to go: meanwhile the next site is visited.
const stopping: Promise<void>[] = []
afterAll(async () => {
  await browser?.close()
  await Promise.all(stopping)
})

for (const example of ['express', 'koa', 'fastify']) {
  for (const site of sites) {
    describe(`examples/${example} through ${site.name}`, () => visit(example, site))
  }
}

// What runs in the page is text: the tests' types know no DOM.

/** Waits for the picture, and fails when it is none. */
const PICTURE_WIDTH = `(async () => {
  const picture = document.querySelector('header img')
  await picture.decode()
  return picture.naturalWidth
})()`

/** What a browser without the style sheet would not draw. */
const HEADER_LINE = `getComputedStyle(document.querySelector('header')).borderBottomStyle`

/** The list that the places of the progress bar are written to. */
const POSITIONS = `(() => {
  const bar = document.querySelector('progress')
  const positions = []
  const note = () => positions.push(bar.position)
  new MutationObserver(note).observe(bar, { attributeFilter: ['value'] })
  return positions
})()`

/** What one visitor does, step by step: a step goes on where the one before it ended. */
function visit(example: string, site: Site): void {
  let started: Started | undefined
  let visitor: Visitor
  beforeAll(async () => {
    started = await site.start(example)
    visitor = await openVisitor(browser as Browser, started.port, site.mount)
  })
  afterAll(async () => {
    await visitor?.close()
    if (started !== undefined) stopping.push(started.stop())
  })

  /** Checks the links of the page and takes its picture. */
  async function look(name: string): Promise<void> {
    await visitor.checkLinks()
    const file = `${example} ${site.name.replace(/\W+/g, ' ')} ${name}.png`.replaceAll(' ', '-')
    await visitor.page.screenshot({ path: path.join(pictures, file), fullPage: true })
  }

  it('shows the home page in its style, with its picture', async () => {
    const { page, home } = visitor
    await page.goto(`${home}/`)
    expect((await page.title()).toLowerCase()).toBe(`${example} over fastcgi`)
    expect(await page.evaluate<number>(PICTURE_WIDTH)).toBeGreaterThan(0)
    expect(await page.evaluate<string>(HEADER_LINE)).toBe('solid')
    await look('home')
  })

  it('logs in by a form, and the session lasts', async () => {
    const { page, home } = visitor
    await page.getByLabel('Your name').fill('Zoë & <Bob>')
    await page.getByRole('button', { name: 'Log in' }).click()
    await page.locator('#hello').waitFor()
    expect(page.url()).toBe(`${home}/`)
    expect(await page.locator('#hello').textContent()).toContain('Hello, Zoë & <Bob>.')
    const first = await visits()
    await page.reload()
    expect(await visits()).toBe(first + 1)
    await look('logged-in')
  })

  async function visits(): Promise<number> {
    const hello = await visitor.page.locator('#hello').textContent()
    return Number(/Visit number (\d+)/.exec(hello ?? '')?.[1])
  }

  it('follows a redirect, and goes back', async () => {
    const { page, home } = visitor
    await page.getByRole('link', { name: 'Redirect' }).click()
    await page.waitForURL(`${home}/whoami?from=redirect`)
    await page.getByRole('cell', { name: '127.0.0.1', exact: true }).first().waitFor()
    await look('who-am-i')
    await page.goBack()
    expect(page.url()).toBe(`${home}/`)
    expect(await page.locator('#hello').textContent()).toContain('Zoë')
  })

  it('uploads a file, and sees how far it is', async () => {
    const { page } = visitor
    await page.getByRole('link', { name: 'Upload' }).click()
    await page.getByLabel('Title').fill('Grüße')
    const buffer = crypto.randomBytes(400_000)
    const name = 'bücher & more.bin'
    await page
      .getByLabel('Files')
      .setInputFiles({ name, mimeType: 'application/octet-stream', buffer })
    // So slow a line that there is something to see on the way.
    const tools = await page.context().newCDPSession(page)
    await tools.send('Network.emulateNetworkConditions', {
      offline: false,
      latency: 0,
      downloadThroughput: -1,
      uploadThroughput: 300_000,
    })
    const seen = await page.evaluateHandle<number[]>(POSITIONS)
    await page.getByRole('button', { name: 'Send' }).click()
    await page.getByRole('heading', { name: 'Grüße' }).waitFor()
    const cells = await page.locator('#result td').allTextContents()
    const sha256 = crypto.createHash('sha256').update(buffer).digest('hex')
    expect(cells).toEqual([name, '400,000 bytes', sha256])
    const positions = await seen.jsonValue()
    expect(positions).toEqual(positions.toSorted((a, b) => a - b))
    expect(positions.at(-1)).toBe(1)
    expect(positions.filter((at) => at > 0 && at < 1)).not.toEqual([])
    await tools.detach()
    await look('upload')
  })

  it('gets events one by one', async () => {
    const { page } = visitor
    await page.getByRole('link', { name: 'Events' }).click()
    // An event has 40 bytes and follows the last by a second, without end: a server that collected
    // even 4 kB would show nothing within the time that we wait.
    const lines = page.locator('#log li')
    await lines.nth(0).waitFor()
    await lines.nth(1).waitFor()
    const [first, second] = await lines.allTextContents()
    expect(Date.parse(second ?? '')).toBeGreaterThan(Date.parse(first ?? ''))
    await look('events')
  })

  it('logs out', async () => {
    const { page, home } = visitor
    await page.getByRole('link', { name: 'Home' }).click()
    await page.getByRole('button', { name: 'Log out' }).click()
    await page.getByLabel('Your name').waitFor()
    expect(page.url()).toBe(`${home}/`)
  })

  it('has seen no error, and has never left the mount', async () => {
    await expect(visitor.problems()).resolves.toEqual([])
  })
}
