/**
 * The pages of examples/servers, done word for word: what they tell an administrator to type is typed, as root, on a
 * machine of its own with systemd, and then the page says what it should.
 */
import fs from 'node:fs'
import path from 'node:path'

import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'

import { allBlocks, blocks, pages, read, type Command } from '../support/documents.ts'
import { bootMachine, type Machine } from '../support/machine.ts'
import { until } from '../support/until.ts'
import { temporaryFolder } from '../support/web-server.ts'
import { commandsFor, isServerPage } from '../support/told.ts'

// Some seconds each on a machine that has nothing else to do; a busy one may take minutes, and then says where it stands.
vi.setConfig({ testTimeout: 600_000 })

/** Outlives the machines: what one has deployed there the next one has. */
let srv = ''
const deployed = new Set<string>()

beforeAll(() => {
  srv = temporaryFolder('srv')
})
afterAll(() => fs.rmSync(srv, { recursive: true, force: true }))

/** Services that Debian starts with their package. */
const services = ['apache2', 'nginx', 'lighttpd', 'caddy', 'haproxy', 'h2o']

/** Types a line, as the page has it. */
async function type(on: Machine, line: string): Promise<void> {
  if (/^npx pnpm.* deploy /.test(line)) {
    if (deployed.has(line)) return
    deployed.add(line)
  }
  // Without its question, and what is there already stays as it is: the machine has no network.
  const apt = 'mkdir -p /srv/.apt/archives/partial && apt-get -o Dir::Cache=/srv/.apt'
  await on.must(line.replace('apt-get install', `${apt} install --yes --no-upgrade`))
  if (!line.startsWith('apt-get install')) return
  for (const service of services.filter((name) => line.split(' ').includes(name))) {
    await on.must(`systemctl start ${service}`)
  }
}

const PATIENCE = 150_000

/** Types it until it answers so: what was started in the background takes its time. */
async function typeUntil(on: Machine, line: string, answer: RegExp): Promise<void> {
  let said = ''
  await until(
    async () => {
      said = (await on.run(line)).output
      return answer.test(said)
    },
    () => `${line} to say ${String(answer)}, not\n${said}`,
    // Of a machine that is busy with something else.
    PATIENCE,
  )
}

const home = /<h1>[^<]*Express/

/** What stands in the block of a page, and what its `curl` lines must get. */
const answers: Readonly<Record<string, readonly RegExp[]>> = {
  'apache-mod_authnz_fcgi': [/^Not for you\.$/m, /^a secret$/m, /^a secret$/m],
}

/** Commands in sentences that stand for a little more, or need something that the sentence says as well. */
const more: Readonly<Record<string, string>> = {
  'touch tmp/restart.txt': 'mkdir -p tmp && touch tmp/restart.txt',
  'systemctl enable --now myapp@1 myapp@2':
    'cp /opt/fastcgi/examples/servers/systemd/myapp@.service /etc/systemd/system/ && ' +
    'systemctl daemon-reload && systemctl enable --now myapp@1 myapp@2',
  'spawn-fcgi -F 4':
    'spawn-fcgi -F 4 -s /run/myapp/four.sock -u www-data -- /usr/local/bin/node /srv/myapp/app.fcgi',
  'PROCESSES=4 myapp.sh':
    'sed s/app.sock/others.sock/ /opt/fastcgi/examples/servers/spawn-fcgi/myapp.sh > /usr/local/bin/myapp.sh && ' +
    'chmod +x /usr/local/bin/myapp.sh && { PROCESSES=4 myapp.sh & }',
  'systemd-analyze security myapp.service': 'systemd-analyze security --threshold=50 myapp.service',
}

const servers = pages
  .filter(isServerPage)
  .map((page) => ({ page, name: path.basename(path.dirname(page)) }))

const onMachine = commandsFor('machine')

/** Which folder a page calls the app's. */
function folderOf(page: string): string {
  return /deploy --prod --legacy (\S+)/.exec(read(page))?.[1] ?? '/srv/myapp'
}

/** Boots one, and shows its journal beside whatever goes wrong. */
async function onOne(what: string, done: (on: Machine) => Promise<void>): Promise<void> {
  const on = await bootMachine(srv)
  try {
    await done(on)
  } catch (error) {
    const { output } = await on.run('journalctl --no-pager -n 60')
    throw new Error(`${what}:\n${output}`, { cause: error })
  } finally {
    await on.stop()
  }
}

/** The line of another page that deploys an app to `folder`. */
async function deployTo(on: Machine, folder: string): Promise<void> {
  await type(on, onMachine.find(({ text }) => text.endsWith(` --legacy ${folder}`))!.text)
}

const own = (page: string): Command[] => onMachine.filter(({ file }) => file === page)

/** Those of the first block of a page; what stands in a later one is about several machines. */
function linesOf(page: string): string[] {
  const block = allBlocks.find(({ file, language }) => file === page && language === 'sh')!
  const end = block.line + block.text.split('\n').length
  return own(page)
    .filter(({ inline, line }) => !inline && line > block.line && line < end)
    .map(({ text }) => text)
}

describe.each(servers)('examples/servers/$name', ({ page, name }) => {
  it('works as it says', () =>
    onOne(page, async (on) => {
      let asked = 0
      for (const text of linesOf(page)) {
        if (text.startsWith('curl ')) {
          await typeUntil(on, text, answers[name]?.[asked] ?? home)
          asked += 1
        } else if (text === 'systemctl status myapp.socket myapp.service') {
          // 3: one of them, the service, waits for the first request.
          const { code, output } = await on.run(text)
          expect({ code, output }).toMatchObject({ code: 3 })
          expect(output).toContain('active (listening)')
        } else if (text.endsWith('myapp.sh')) {
          await on.must(`${text} &`)
        } else {
          await type(on, text)
        }
      }
      // Where no web server is part of the page: the app answers on its socket.
      if (asked === 0) await typeUntil(on, get('/run/myapp/app.sock'), home)
      for (const { text } of own(page).filter(({ inline }) => inline)) {
        if (text.startsWith('apt-get')) await type(on, text)
        else await on.must(more[text] ?? text, folderOf(page))
      }
    }))
})

/** A question to the app itself, as the web servers' user. */
function get(address: string): string {
  return `runuser -u www-data -- node packages/cli/bin/fastcgi.js get / --socket ${address}`
}

it('README.md: the site of five minutes, in Apache as Debian has it', () =>
  onOne('README.md', async (on) => {
    await deployTo(on, '/srv/express')
    await on.must('systemctl start apache2')
    const site = blocks.find(
      ({ file, text }) => file === 'README.md' && text.includes('VirtualHost'),
    )!
    fs.writeFileSync(path.join(srv, 'site.conf'), site.text)
    await on.must('cp /srv/site.conf /etc/apache2/sites-enabled/000-default.conf')
    for (const { text } of own('README.md')) await on.must(text)
    await typeUntil(on, 'curl http://localhost/', home)
  }))

it('examples/authorizer/README.md: who may have a file', () =>
  onOne('examples/authorizer/README.md', async (on) => {
    for (const folder of ['/srv/authorizer', '/srv/express']) await deployTo(on, folder)
    await on.must('mkdir -p /srv/files && echo hello, file > /srv/files/hello.txt')
    const site = '/opt/fastcgi/examples/servers/apache-mod_fcgid/authorizer.conf'
    await on.must(`cp ${site} /etc/apache2/sites-enabled/000-default.conf`)
    const lines = own('examples/authorizer/README.md').map(({ text }) => text)
    for (const line of lines.filter((each) => each.startsWith('a2enmod'))) await on.must(line)
    await on.must('systemctl start apache2')
    const asked = lines.filter((each) => each.startsWith('curl'))
    expect(asked).toHaveLength(2)
    for (const line of asked) await typeUntil(on, line, /^hello, file$/m)
  }))

it('docs/scale.md: one machine after the other, behind HAProxy', () =>
  onOne('docs/scale.md', async (on) => {
    await deployTo(on, '/srv/myapp')
    const script = blocks.find(
      ({ file, text }) => file === 'docs/scale.md' && text.startsWith('#!'),
    )!
    fs.writeFileSync(path.join(srv, 'myapp/scale.fcgi'), script.text, { mode: 0o755 })
    await on.must('useradd --system --home /srv/myapp myapp')
    for (const n of [1, 2, 3, 9]) await on.must(`ip address add 10.0.0.${String(n)}/32 dev lo`)
    // The second machine has the unit of examples/servers/systemd; the others are there to take over.
    const units = '/etc/systemd/system'
    await on.must(
      `cp examples/servers/systemd/myapp-standalone.service ${units}/myapp.service && ` +
        `mkdir ${units}/myapp.service.d && printf '[Service]\nExecStart=\nExecStart=/srv/myapp/scale.fcgi --listen 10.0.0.2:9000\n' ` +
        `> ${units}/myapp.service.d/here.conf && systemctl daemon-reload && systemctl start myapp`,
    )
    for (const n of [1, 3]) {
      await on.must(
        `runuser -u www-data -- env FASTCGI_LISTEN=10.0.0.${String(n)}:9000 /srv/myapp/scale.fcgi &`,
      )
    }
    // It connects as 10.0.0.9, which the script lets in.
    await on.must(
      "sed 's/^backend myapp/&\\n    source 10.0.0.9/' examples/servers/haproxy/cluster.cfg > /etc/haproxy/haproxy.cfg && " +
        'systemctl restart haproxy',
    )
    await typeUntil(on, 'curl http://localhost/', home)
    /** scur and status, the fifth and the eighteenth column. */
    const column = (pattern: string): RegExp => new RegExp(`^myapp,app2,\\d+,\\d+,${pattern}`, 'm')
    const lines = own('docs/scale.md').map(({ text }) => text)
    const show = lines.find((line) => line.includes('show stat'))!
    await typeUntil(on, show, column('\\d+,(?:[^,]*,){12}UP'))
    const before = await on.must('systemctl show --property=MainPID myapp')
    for (const line of lines) {
      if (line === show) await typeUntil(on, line, column('0,(?:[^,]*,){12}DRAIN'))
      else await on.must(line)
    }
    expect(await on.must('systemctl show --property=MainPID myapp')).not.toBe(before)
    await typeUntil(on, show, column('\\d+,(?:[^,]*,){12}UP'))
  }))

it('nothing is left out', () => {
  const done = [
    ...servers.flatMap(({ page }) => [
      ...linesOf(page),
      ...own(page).flatMap(({ inline, text }) => (inline ? [text] : [])),
    ]),
    ...['README.md', 'docs/scale.md', 'examples/authorizer/README.md'].flatMap((page) =>
      own(page).map(({ text }) => text),
    ),
  ]
  for (const { text } of onMachine) expect(done).toContain(text)
  // In the test of the authorizer by their first words.
  for (const { text } of own('examples/authorizer/README.md'))
    expect(text).toMatch(/^(?:curl|a2enmod) /)
})
